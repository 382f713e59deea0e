"use strict";
document.querySelectorAll("table[data-filter]").forEach(table => {
  const body = table.tBodies[0], rows = [...body.rows];
  const tools = document.getElementById(table.dataset.filter), input = tools.querySelector("input"), count = tools.querySelector("output");
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach(row => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
      shown += row.hidden ? 0 : 1;
    });
    count.textContent = words.length ? shown + " of " + rows.length : "";
  };
  tools.hidden = false;
  input.addEventListener("input", show);
  [...table.tHead.rows[0].cells].forEach((cell, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const down = cell.getAttribute("aria-sort") === "ascending";
      [...table.tHead.rows[0].cells].forEach(each => each.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => row.cells[at].dataset.value ?? row.cells[at].textContent.trim();
      const number = /^-?\d+(\.\d+)?$/;
      rows.sort((a, b) => {
        const x = key(a), y = key(b);
        const order = number.test(x) && number.test(y) ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
});
