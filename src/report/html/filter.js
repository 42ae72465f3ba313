"use strict";
(() => {
  const form = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const controls = [...document.querySelectorAll("[data-status]")];
  const text = new Map(controls.map((c) => [c, c.textContent.toLowerCase()]));

  const apply = () => {
    const wanted = new FormData(form);
    const words = wanted.get("text").toLowerCase().split(/\s+/);
    const topic = wanted.get("topic");
    const severities = wanted.getAll("severity");
    const statuses = wanted.getAll("status");
    let count = 0;
    for (const control of controls) {
      const { topic: of, severity, status } = control.dataset;
      const fits =
        (!topic || of === topic) &&
        severities.includes(severity) &&
        statuses.includes(status) &&
        words.every((word) => text.get(control).includes(word));
      control.hidden = !fits;
      count += fits;
    }
    shown.hidden = count === controls.length;
    shown.textContent = `Filtered: ${count} of ${controls.length} controls are shown.`;
  };

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
})();
