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
      if (!holder.closest("details:not([open])") && holder.getClientRects().length) draw(holder);
    }
  }

  function openTarget() {
    let around = document.getElementById(location.hash.slice(1));
    for (; around; around = around.parentElement) if (around.tagName === "DETAILS") around.open = true;
  }

  document.addEventListener("toggle", drawOpen, true);
  document.addEventListener("shown", drawOpen);
  window.addEventListener("hashchange", openTarget);
  openTarget();
  drawOpen();
})();
