"""The drawings of the design, as the inside of an SVG element."""

from __future__ import annotations

from typing import Final

# Drawn for this product on a 16 by 16 grid; shapes differ as much as colours do.
ICONS: Final = {
    "brand": '<path d="M1 11.5c1.2 0 1.2 1 2.4 1s1.1-1 2.3-1 1.2 1 2.3 1 1.2-1 2.4-1 1.1 1 2.3 1 '
    '1.2-1 2.3-1M3 9.5 4 6h8l1 3.5M8 6V2.5M8 2.5l3 1.2L8 5"/>',
    "overview": '<path d="M2 3a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1Z'
    "M9 3a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1h-3a1 1 0 0 1-1-1Z"
    "M2 10a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1Z"
    'M9 10a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1h-3a1 1 0 0 1-1-1Z"/>',
    "chain": '<path d="M6.5 9.5 9.5 6.5M7 4.5l1.7-1.7a3.2 3.2 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.7 1.7'
    'a3.2 3.2 0 0 1-4.5-4.5L4.5 7"/>',
    "balances": '<path d="M13 5.5V4a1 1 0 0 0-1-1H3.5a1.5 1.5 0 0 0 0 3H13a1 1 0 0 1 1 1v5.5'
    'a1 1 0 0 1-1 1H3.5A1.5 1.5 0 0 1 2 12V4.5M11 9.5v.2"/>',
    "qr": '<path d="M2 2h4.5v4.5H2ZM9.5 2H14v4.5H9.5ZM2 9.5h4.5V14H2ZM9.5 9.5v2M12 9.5h2M14 12v2h-2'
    'M9.5 14v-.2"/>',
    "external": '<path d="M9.5 2.5h4v4M13.5 2.5 7.5 8.5M11.5 9.5v3a1 1 0 0 1-1 1h-7'
    'a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1h3"/>',
    "rates": '<path d="M2 11.5 6 7l3 3 5-6M10 4h4v4"/>',
    "coins": '<ellipse cx="8" cy="4.5" rx="5.5" ry="2.5"/><path d="M2.5 4.5v3.5'
    "C2.5 9.4 5 10.5 8 10.5S13.5 9.4 13.5 8V4.5M2.5 8v3.5"
    'C2.5 12.9 5 14 8 14s5.5-1.1 5.5-2.5V8"/>',
    "menu": '<path d="M2.5 4h11M2.5 8h11M2.5 12h11"/>',
    "docs": '<path d="M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5"/>',
    "status": '<path d="M1.5 8H5l1.5-4 3 8L11 8h3.5"/>',
    "account": '<circle cx="8" cy="5.5" r="2.75"/>'
    '<path d="M2.5 14c.6-2.9 2.7-4.2 5.5-4.2s4.9 1.3 5.5 4.2"/>',
    "sun": '<circle cx="8" cy="8" r="3"/>'
    '<path d="M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3.1 3.1l1.1 1.1'
    'M11.8 11.8l1.1 1.1M3.1 12.9l1.1-1.1M11.8 4.2l1.1-1.1"/>',
    "moon": '<path d="M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z"/>',
    "close": '<path d="m4 4 8 8M12 4l-8 8"/>',
    "star": '<path d="m8 1.8 1.9 3.9 4.3.6-3.1 3 .7 4.3L8 11.6l-3.8 2 .7-4.3-3.1-3 4.3-.6Z"/>',
    "convert": '<path d="M2 5.5h11M10 2.5l3 3-3 3M14 10.5H3M6 7.5l-3 3 3 3"/>',
    "download": '<path d="M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/>'
    '<path d="M10.5 3.5v-.3c0-.4-.3-.7-.7-.7h-6'
    'c-.7 0-1.3.6-1.3 1.3v6c0 .4.3.7.7.7h.3"/>',
    "edit": '<path d="m2.5 13.5.7-3L10.7 3l2.3 2.3-7.5 7.5ZM9 4.7 11.3 7"/>',
    "sort": '<path d="m5 6 3-3 3 3M5 10l3 3 3-3"/>',
    "info": '<circle cx="8" cy="8" r="6.25"/><path d="M8 7.25v4M8 4.6v.2"/>',
    "success": '<circle cx="8" cy="8" r="6.25"/><path d="m5.2 8.2 2 2 3.6-4"/>',
    "warning": '<path d="M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.6v.2"/>',
    "error": '<path d="M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4ZM8 4.8v3.7M8 '
    '10.9v.2"/>',
    "simulated": '<path d="M6 2h4M6.8 2v4.2L3 12.6c-.4.8.1 1.6 1 1.6h8c.9 0 1.4-.8 1-1.6L9.2 '
    '6.2V2M5 10h6"/>',
    "live": '<circle class="solid" cx="8" cy="8" r="6"/>',
    "lost": '<circle cx="8" cy="8" r="5.5"/><path d="m4.4 11.6 7.2-7.2"/>',
    "stale": '<path d="M8 1.5 14.5 8 8 14.5 1.5 8Z"/>',
    "suspect": '<path class="solid" d="M8 1.5 15 14H1Z"/>',
    "halted": '<rect class="solid" x="2" y="2" width="12" height="12" rx="1"/>',
    "unsupported": '<path d="m3 3 10 10M13 3 3 13"/>',
    "down": '<path class="solid" d="M1.5 4h13L8 14Z"/>',
}

# What stands on a browser's tab, where no page says it itself.
TAB_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="4" fill="#0f55b8"/>'
    '<path d="M3 11c1 0 1 1 2 1s1-1 2-1 1 1 2 1 1-1 2-1 1 1 2 1M4 9l1-3h6l1 3M8 6V3" '
    'fill="none" stroke="#fff" stroke-width="1.2"/></svg>'
)
