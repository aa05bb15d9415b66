/**
 * Parts of a page read anew: `[data-part]` elements take what the server draws now.
 *
 * One question at a time; what is asked meanwhile is asked once more afterwards.
 */

let asking = null;
let again = false;

/** Read the page again. Resolves to whether it was read; a page that cannot be had leaves all as it is. */
export function refreshParts() {
  if (asking) {
    again = true;
    return asking;
  }
  asking = read().finally(() => {
    asking = null;
    if (again) {
      again = false;
      refreshParts();
    }
  });
  return asking;
}

async function read() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    if (response.redirected) throw new Error("the server sent us elsewhere");
    show(new DOMParser().parseFromString(await response.text(), "text/html"));
    return true;
  } catch (error) {
    console.info("The page could not be read again:", error.message);
    return false;
  }
}

function show(fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const found = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
    if (!found) continue;
    // What somebody points at or types into is left alone.
    if (part.closest("[data-held]") || part.querySelector("details[open]")) continue;
    if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) continue;
    part.replaceChildren(...found.childNodes);
  }
  document.dispatchEvent(new CustomEvent("partsread"));
}
