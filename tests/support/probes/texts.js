// Of each cell: its text without marks and what stands below its first line.
cells => cells.map((cell) => {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll('.sub, [aria-hidden]').forEach((one) => one.remove());
  return copy.textContent.trim();
})
