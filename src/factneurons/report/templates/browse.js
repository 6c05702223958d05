"use strict";
// Tables that are searched, filtered and sorted. Few rows are in the page at a time: the rest waits outside it, so that
// thousands of rows cost no layout. Without this script the first rows are a plain table.
(function () {
  const FIRST = 50;
  const MORE = 200;
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const tables = Array.from(document.querySelectorAll(".browse"), browse);

  function plain(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // Every row with the row that opens below it, if it has one.
  function itemsOf(box) {
    const items = [];
    const ids = new Map();
    const rest = box.querySelector("template");
    for (const row of [...box.querySelector("tbody").rows, ...(rest ? rest.content.children : [])]) {
      if (row.classList.contains("opened")) items[items.length - 1].opened = row;
      else items.push({ row, opened: null, filters: row.dataset.filters.split(" "), order: row.dataset.order.split(" ") });
      if (row.id) ids.set(row.id, items[items.length - 1]);
    }
    return { items, ids };
  }

  function browse(box) {
    const { items, ids } = itemsOf(box);
    const headers = box.querySelector("thead tr").cells;
    const body = box.querySelector("tbody");
    const search = box.querySelector("input[type='search']");
    const selects = Array.from(box.querySelectorAll("select"));
    const status = box.querySelector("[role='status']");
    const more = element("button", { type: "button", className: "quiet" });
    const plainRows = body.querySelectorAll(":scope > tr:not(.opened)").length;
    let sorted = items.slice();
    let matched = sorted;
    let shown = 0;

    function filter(event, first = FIRST) {
      const words = plain(search.value).split(/\s+/).filter(Boolean);
      const wanted = selects.map(function (select) { return select.value; });
      matched = sorted.filter(function (item) {
        return wanted.every(function (value, place) { return !value || item.filters[place].split(",").includes(value); })
          && words.every(function (word) { return (item.text ??= plain(item.row.textContent)).includes(word); });
      });
      body.replaceChildren();
      shown = 0;
      show(first);
      status.textContent = `${matched.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} ${box.dataset.what}`;
    }

    function show(count) {
      const fresh = document.createDocumentFragment();
      for (const item of matched.slice(shown, shown + count)) fresh.append(item.row, ...(item.opened ? [item.opened] : []));
      body.append(fresh);
      shown = Math.min(matched.length, shown + count);
      const left = matched.length - shown;
      more.hidden = left === 0;
      more.textContent = `Show ${Math.min(MORE, left).toLocaleString("en")} more of ${left.toLocaleString("en")}`;
      document.dispatchEvent(new Event("shown"));
    }

    function open(item, wanted) {
      if (!item.opened) return;
      item.opened.classList.toggle("open", wanted);
      item.row.querySelector("a.opens").setAttribute("aria-expanded", String(wanted));
      document.dispatchEvent(new Event("shown"));
    }

    function sort(header, column, numeric) {
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = numeric
        ? function (item) { return parseFloat(item.order[column]); }
        : function (item) { return item.row.cells[column].textContent; };
      const keyed = items.map(function (item) { return [value(item), item]; });
      const sign = down ? -1 : 1;
      keyed.sort(numeric
        ? function ([a], [b]) { return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0; }
        : function ([a], [b]) { return sign * collator.compare(a, b); });
      sorted = keyed.map(function ([, item]) { return item; });
      filter();
    }

    function reveal(id) {
      const item = ids.get(id);
      if (!item) return;
      if (!matched.includes(item)) {
        search.value = "";
        for (const select of selects) select.value = "";
        filter();
      }
      const place = matched.indexOf(item);
      if (place >= shown) show(place + 1 - shown);
      if (item.opened && item.opened.id === id) open(item, true);
      item.row.scrollIntoView();
      const link = item.row.querySelector("a");
      if (link) link.focus({ preventScroll: true });
    }

    for (const header of headers) {
      const numeric = "order" in header.dataset;
      if (!numeric && !("text" in header.dataset)) continue;
      const button = element("button", { type: "button" }, ...header.childNodes);
      const column = numeric ? Number(header.dataset.order) : header.cellIndex;
      button.addEventListener("click", function () { sort(header, column, numeric); });
      header.append(button);
    }
    for (const item of items) {
      if (item.opened) item.row.querySelector("a.opens").setAttribute("aria-expanded", "false");
    }
    body.addEventListener("click", function (event) {
      const link = event.target.closest("a.opens");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(ids.get(link.hash.slice(1)), link.getAttribute("aria-expanded") !== "true");
    });
    const everything = box.querySelector(".open-all");
    if (everything) {
      everything.addEventListener("click", function () {
        const there = matched.slice(0, shown).filter(function (item) { return item.opened; });
        const wanted = there.some(function (item) { return !item.opened.classList.contains("open"); });
        for (const item of there) open(item, wanted);
        everything.textContent = wanted ? "Close all" : "Open all";
      });
    }
    search.addEventListener("input", filter);
    for (const select of selects) select.addEventListener("change", filter);
    more.addEventListener("click", function () { show(MORE); });
    box.append(more);
    box.classList.add("live");
    filter(null, plainRows);  // as many as are there: what is below does not move
    return reveal;
  }

  function revealTarget() {
    const id = decodeURIComponent(location.hash.slice(1));
    for (const reveal of tables) reveal(id);
  }
  window.addEventListener("hashchange", revealTarget);
  revealTarget();
})();
