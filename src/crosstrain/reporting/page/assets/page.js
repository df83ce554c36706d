// What the page does: draws its charts in the present theme, filters, sorts, downloads. No network, no eval.
(() => {
  "use strict";
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("chart-specs");
  const palettes = read("palettes");
  const views = new Map();
  const root = document.documentElement;
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");

  // -- theme ---------------------------------------------------------------------------------------
  const theme = () => root.dataset.theme || (preferred.matches ? "dark" : "light");
  const toggle = document.getElementById("theme");
  const nameToggle = () => { toggle.textContent = theme() === "dark" ? "Light colours" : "Dark colours"; };

  function config(width) {
    const style = getComputedStyle(root);
    const of = (name) => style.getPropertyValue(name).trim();
    const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
    const axis = {
      labelColor: of("--ink"), titleColor: of("--soft"), gridColor: of("--line"), domainColor: of("--soft"),
      tickColor: of("--soft"), titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12, gridOpacity: 0.6,
      aria: false, labelLimit: width < 500 ? 100 : 180, labelOverlap: true,
    };
    return {
      aria: false, background: of("--back"), font, axis,
      axisX: { tickCount: width < 500 ? 4 : 8 },
      view: { stroke: null }, mark: { aria: false },
      header: { labelColor: of("--ink"), labelFontSize: 13, labelFontWeight: "bold", labelAnchor: "start", title: null },
      legend: {
        aria: false, orient: "bottom", direction: "horizontal", columns: Math.max(1, Math.floor(width / 150)),
        layout: { bottom: { direction: "vertical", anchor: "start", margin: 4 } }, symbolOpacity: 1, columnPadding: 14,
        labelColor: of("--ink"), labelLimit: 150, labelFontSize: 12, symbolStrokeColor: of("--soft"),
        symbolFillColor: of("--soft"),
      },
      range: { category: palettes[theme()] },
      rule: { color: of("--ink") }, text: { color: of("--ink") },
    };
  }

  // -- charts --------------------------------------------------------------------------------------
  const chosen = () => Object.fromEntries(all("[data-filter]").map((each) => [each.dataset.filter, each.value]));
  const fits = (row, filter) =>
    Object.entries(filter).every(([name, value]) => !value || row[name] === undefined || row[name] === value);

  // Rows of a fixed height: Vega-Lite's own steps do not go with a width that is its container's.
  function height(spec) {
    const step = spec.height?.step;
    if (!step) return spec.height;
    const { y, yOffset } = (spec.layer?.[0] ?? spec).encoding;
    const distinct = (field) => (field ? new Set(spec.datasets.rows.map((row) => row[field])).size : 1);
    return Math.max(40, step * distinct(y.field) * distinct(yOffset?.field));
  }

  // A panel for each value of a field, where the lines of several would cross; all have the same axes.
  function panelled({ panels, ...whole }, place) {
    const values = panels ? new Set(whole.datasets.rows.map((row) => row[panels])).size : 1;
    if (values < 2) return whole;
    const { layer, height, width, ...rest } = whole;
    const columns = Math.min(values, Math.max(1, Math.floor(place / 260)));
    const each = Math.floor((place - 60) / columns) - 20;
    return { ...rest, columns, facet: { field: panels, type: "nominal" }, spec: { layer, height, width: each } };
  }

  async function draw(figure) {
    const name = figure.dataset.chart;
    const place = figure.querySelector(".chart");
    const empty = figure.querySelector(".empty");
    const spec = structuredClone(specs[name]);
    const filter = chosen();
    for (const key of Object.keys(spec.datasets)) {
      // A name stands for the data of the chart of that name.
      if (typeof spec.datasets[key] === "string") spec.datasets[key] = specs[spec.datasets[key]].datasets[key];
      spec.datasets[key] = spec.datasets[key].filter((row) => fits(row, filter));
    }
    spec.height = height(spec);
    const nothing = spec.datasets.rows.length === 0;
    empty.hidden = !nothing;
    empty.textContent = nothing ? "Nothing to draw with these filters." : "";
    place.hidden = nothing;
    views.get(name)?.finalize();
    views.delete(name);
    if (nothing) { place.replaceChildren(); return; }
    try {
      const made = await vegaEmbed(place, panelled(spec, place.clientWidth), {
        mode: "vega-lite", renderer: "svg", actions: false, ast: true, logLevel: 1, defaultStyle: false,
        config: config(place.clientWidth), tooltip: { disableDefaultStyle: true },
      });
      views.set(name, made);
      figure.dataset.drawn = theme();
    } catch (error) {
      place.hidden = true;
      empty.hidden = false;
      empty.textContent = "This chart could not be drawn; its table has the same figures.";
      console.error(name, error);
    }
  }
  let drawing = Promise.resolve();
  const drawAll = () => {
    drawing = drawing.then(async () => { for (const figure of all("figure[data-chart]")) await draw(figure); });
    drawing.then(() => { root.dataset.ready = theme(); });
    return drawing;
  };
  const retheme = () => { nameToggle(); delete root.dataset.ready; drawAll(); };
  toggle.addEventListener("click", () => { root.dataset.theme = theme() === "dark" ? "light" : "dark"; retheme(); });
  preferred.addEventListener("change", retheme);

  // -- filters -------------------------------------------------------------------------------------
  const form = document.getElementById("filters");
  function filterTables() {
    const filter = chosen();
    for (const row of all("tbody tr[data-engine]")) row.hidden = !fits(row.dataset, filter);
    const rows = all("#key-table tbody tr");
    const told = document.getElementById("filter-count");
    if (told) told.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  }
  form?.addEventListener("change", () => { filterTables(); drawAll(); });
  form?.addEventListener("reset", () => setTimeout(() => { filterTables(); drawAll(); }));
  form?.addEventListener("submit", (event) => event.preventDefault());

  // -- sorting -------------------------------------------------------------------------------------
  const valueOf = (row, column) => row.cells[column]?.dataset.value ?? row.cells[column]?.textContent ?? "";
  function compare(a, b) {
    if (a === "" || b === "") return (a === "") - (b === "") || 0;
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  }
  for (const button of all("button.sort")) {
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const table = button.closest("table");
      const way = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of all("th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", way);
      const rows = [...table.tBodies[0].rows];
      const column = heading.cellIndex;
      rows.sort((a, b) => {
        const [x, y] = [valueOf(a, column), valueOf(b, column)];
        if (x === "" || y === "") return compare(x, y); // what is missing stays at the end
        return way === "ascending" ? compare(x, y) : compare(y, x);
      });
      table.tBodies[0].append(...rows);
    });
  }

  // -- downloads -----------------------------------------------------------------------------------
  function save(name, url) {
    const link = Object.assign(document.createElement("a"), { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
  }
  const saveText = (name, text, type) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    save(name, url);
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  // A spreadsheet takes text that begins like this for a formula.
  const quoted = (text) => {
    const safe = /^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = (table) =>
    [...table.rows].filter((row) => !row.hidden).map((row) =>
      [...row.cells].map((cell) => quoted(cell.dataset.value ?? cell.textContent)).join(",")).join("\r\n") + "\r\n";
  for (const button of all("[data-download]")) {
    button.addEventListener("click", async () => {
      const figure = button.closest("figure");
      const name = `crosstrain-${figure.dataset.chart}.${button.dataset.download}`;
      const view = views.get(figure.dataset.chart)?.view;
      if (button.dataset.download === "csv") saveText(name, csv(figure.querySelector("table")), "text/csv");
      else if (!view) return;
      else if (button.dataset.download === "svg") saveText(name, await view.toSVG(), "image/svg+xml");
      else save(name, await view.toImageURL("png", 2));
    });
  }
  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch { // a page from a file may not use the clipboard: select it for the reader
        getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      }
    });
  }

  // -- print ---------------------------------------------------------------------------------------
  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const each of all("details:not([open])")) { each.open = true; opened.push(each); }
  });
  window.addEventListener("afterprint", () => { for (const each of opened.splice(0)) each.open = false; });

  let width = window.innerWidth;
  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (window.innerWidth !== width) { width = window.innerWidth; drawAll(); } }, 200);
  });

  nameToggle();
  filterTables();
  drawAll();
})();
