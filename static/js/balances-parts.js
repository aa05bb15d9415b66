/**
 * Parts of a page read anew: `[data-part]` elements take what the server draws now.
 *
 * One question at a time; what is asked meanwhile is asked once more afterwards.
 */

const COPIED_MS = 2000;
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

// --- Buttons that copy: `data-copy-text` holds the text, `data-copy-word` tells of it ---------

async function copy(button) {
  const said = button.querySelector("[data-copy-word]");
  const before = button.getAttribute("aria-label");
  let word = "Copied";
  try {
    await navigator.clipboard.writeText(button.dataset.copyText);
  } catch (error) {
    console.info("The clipboard refused:", error.message);
    word = "Not copied";
  }
  if (said) said.textContent = word;
  else button.setAttribute("aria-label", word);
  button.classList.toggle("is-copied", word === "Copied");
  setTimeout(() => {
    button.classList.remove("is-copied");
    if (said) said.textContent = "Copy";
    else button.setAttribute("aria-label", before);
  }, COPIED_MS);
}

/** Show the buttons of the page; parts that are read anew bring new ones. */
export function wireCopies() {
  const show = () => {
    for (const button of document.querySelectorAll("[data-copy-text]")) button.hidden = !navigator.clipboard;
  };
  show();
  document.addEventListener("partsread", show);
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-copy-text]");
    if (button) copy(button);
  });
}
