"use strict";
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true,
    tooltip: { theme: dark ? "dark" : "light" },
  };
  const specifications = {};
  for (const element of document.querySelectorAll("script[type='application/json']")) {
    specifications[element.dataset.chart] = JSON.parse(element.textContent);
  }

  function draw(holder) {
    if (holder.dataset.drawn || !window.vegaEmbed) return;
    holder.dataset.drawn = "yes";
    window.vegaEmbed(holder, specifications[holder.dataset.chart], options).catch(function (error) {
      holder.textContent = "This chart could not be drawn: " + error.message;
    });
  }

  function drawOpen() {
    for (const holder of document.querySelectorAll(".chart")) {
      if (!holder.closest("details:not([open])")) draw(holder);
    }
  }

  function openTarget() {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }

  const all = document.getElementById("open-all");
  if (all) {
    all.hidden = false;
    all.addEventListener("click", function () {
      const facts = document.querySelectorAll("details.fact");
      const open = Array.from(facts).some(function (fact) { return !fact.open; });
      for (const fact of facts) fact.open = open;
      all.textContent = open ? "Close all facts" : "Open all facts";
    });
  }

  document.addEventListener("toggle", drawOpen, true);
  window.addEventListener("hashchange", openTarget);
  openTarget();
  drawOpen();
})();
