/** The secret of an invitation stands after the address's `#`, which browsers send to nobody. */

const field = document.querySelector("[data-code]");
if (field && location.hash.startsWith("#qi_")) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
