// What a keyboard and a screen reader need, and the theme does not give.

for (const box of document.querySelectorAll("div.cell_output")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; // the arrow keys move it
}
for (const arrow of document.querySelectorAll("li > details > summary")) {
  const chapter = arrow.closest("li").querySelector("a").textContent.trim();
  arrow.setAttribute("aria-label", `What goes deeper: ${chapter}`);
}
// The words that are seen are the better name.
for (const named of document.querySelectorAll(
  'summary[aria-label="Toggle hidden content"], .search-button-field[aria-label]',
)) {
  named.removeAttribute("aria-label");
}
