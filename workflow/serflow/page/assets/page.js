"use strict";
const table = document.getElementById("systems-table");
const metric = document.getElementById("metric");
const filter = document.getElementById("filter");
const matches = (row, text) => row.textContent.toLowerCase().includes(text.trim().toLowerCase());

function showSystems() {
  for (const row of table.tBodies[0].rows) {
    row.hidden = row.dataset.metric !== metric.value || !matches(row, filter.value);
  }
}
metric.addEventListener("change", showSystems);
filter.addEventListener("input", showSystems);

const errorFilter = document.getElementById("error-filter");
errorFilter?.addEventListener("input", () => {
  for (const row of document.getElementById("errors-table").tBodies[0].rows) {
    row.hidden = !matches(row, errorFilter.value);
  }
});

const player = new Audio();
document.addEventListener("click", (event) => {
  const button = event.target.closest(".play");
  if (!button) return;
  player.src = button.dataset.address;
  player.play().catch(() => { button.textContent = "not found"; });
});
