/** The account page: copies a wallet's address. Everything else works without scripts. */

function wireCopy(button) {
  const source = document.getElementById(button.dataset.copy);
  const word = button.querySelector("[data-copy-word]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      word.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      word.textContent = "Selected";
    }
    setTimeout(() => (word.textContent = "Copy"), 2000);
  });
}

for (const button of document.querySelectorAll("[data-copy]")) wireCopy(button);
