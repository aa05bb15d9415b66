"""Words that the account page, its log and its rules share."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

QUOTE_CURRENCIES: Final = ("USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD")

# What has to be typed to delete an account.
DELETE_PHRASE: Final = "delete my account"


class EventKind(StrEnum):
    """What the security log can say."""

    ACCOUNT_CREATED = "account_created"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSION_ENDED = "session_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    EMAIL_ADDED = "email_added"
    EMAIL_CONFIRMED = "email_confirmed"
    EMAIL_CHANGED = "email_changed"
    EMAIL_REMOVED = "email_removed"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    WALLET_LINKED = "wallet_linked"
    WALLET_REMOVED = "wallet_removed"
    TOKEN_CREATED = "token_created"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    DATA_EXPORTED = "data_exported"
    SWITCHED_OFF = "switched_off"
    SWITCHED_ON = "switched_on"
    ROLES_CHANGED = "roles_changed"
    ACCOUNT_CLOSED = "account_closed"
    ORG_RENAMED = "org_renamed"
    ORG_DISSOLVED = "org_dissolved"
    ORG_ROLE_CHANGED = "org_role_changed"
    ORG_MEMBER_REMOVED = "org_member_removed"
    ORG_INVITED = "org_invited"
    ORG_INVITATION_MAILED = "org_invitation_mailed"
    ORG_JOINED = "org_joined"
    ORG_KEY_MADE = "org_key_made"
    ORG_KEY_REVOKED = "org_key_revoked"
    ORG_DOMAIN_ADDED = "org_domain_added"
    ORG_DOMAIN_REMOVED = "org_domain_removed"
    ORG_TREASURY_ADDED = "org_treasury_added"
    ORG_TREASURY_REMOVED = "org_treasury_removed"


# As the owner of the account reads it.
EVENT_WORDS: Final = {
    EventKind.ACCOUNT_CREATED: "Account created",
    EventKind.SIGNED_IN: "Signed in",
    EventKind.SIGN_IN_FAILED: "Sign-in failed",
    EventKind.SIGNED_OUT: "Signed out",
    EventKind.SESSION_ENDED: "Session ended",
    EventKind.PASSWORD_CHANGED: "Password changed",
    EventKind.PASSWORD_RESET: "Password reset by e-mail",
    EventKind.EMAIL_ADDED: "E-mail address added",
    EventKind.EMAIL_CONFIRMED: "E-mail address confirmed",
    EventKind.EMAIL_CHANGED: "Main e-mail address changed",
    EventKind.EMAIL_REMOVED: "E-mail address removed",
    EventKind.FACTOR_ADDED: "Second factor added",
    EventKind.FACTOR_REMOVED: "Second factor removed",
    EventKind.WALLET_LINKED: "Wallet linked",
    EventKind.WALLET_REMOVED: "Wallet removed",
    EventKind.TOKEN_CREATED: "API token made",
    EventKind.TOKEN_REVOKED: "API token revoked",
    EventKind.DATA_EXPORTED: "Data downloaded",
    EventKind.SWITCHED_OFF: "Account switched off",
    EventKind.SWITCHED_ON: "Account switched on",
    EventKind.ROLES_CHANGED: "Roles changed",
    EventKind.ACCOUNT_CLOSED: "Account closed",
    EventKind.ORG_RENAMED: "Organisation renamed",
    EventKind.ORG_DISSOLVED: "Organisation deleted",
    EventKind.ORG_ROLE_CHANGED: "Role in an organisation changed",
    EventKind.ORG_MEMBER_REMOVED: "Member of an organisation removed",
    EventKind.ORG_INVITED: "Link into an organisation made",
    EventKind.ORG_INVITATION_MAILED: "Invitation to an organisation sent",
    EventKind.ORG_JOINED: "Organisation joined by invitation",
    EventKind.ORG_KEY_MADE: "Key of an organisation made",
    EventKind.ORG_KEY_REVOKED: "Key of an organisation revoked",
    EventKind.ORG_DOMAIN_ADDED: "Domain of an organisation added",
    EventKind.ORG_DOMAIN_REMOVED: "Domain of an organisation removed",
    EventKind.ORG_TREASURY_ADDED: "Treasury address added",
    EventKind.ORG_TREASURY_REMOVED: "Treasury address removed",
}
