// What has the focus: a name for it, whether the focus is seen on it, whether it is something to use.
() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const row = one.dataset.revert ?? one.dataset.replay ?? one.dataset.undo ?? one.closest("tr")?.rowIndex ?? "";
  return [one.tagName + one.id + one.textContent + row, outlineStyle !== "none" && parseFloat(outlineWidth) > 0, one.matches("button, a, input")];
}
