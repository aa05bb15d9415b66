/** Buttons that copy: `data-copy-text` holds the text, `data-copy-word` is what tells of it. */

const COPIED_MS = 2000;

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
