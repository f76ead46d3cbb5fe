"use strict";
// What the page does beyond being read: a theme, filters, sorting, points by keyboard.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Theme: by the system until a person chooses.
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  const kept = () => { try { return localStorage.getItem("supcr-bench-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("supcr-bench-theme", theme); } catch { /* a file may not keep anything */ } };
  const show = (theme) => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  let theme = themes.includes(kept()) ? kept() : "system";
  show(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    keep(theme);
    show(theme);
  });

  // Filters: an element with facets is hidden where one of them is another than was chosen.
  const facets = JSON.parse(document.getElementById("facets").textContent);
  const form = document.getElementById("filters");
  const selects = form ? all("select", form) : [];
  const chosen = () => Object.fromEntries(selects.filter((s) => s.value).map((s) => [s.name, s.value]));
  const count = form ? form.querySelector("output") : null;
  const apply = () => {
    const want = Object.entries(chosen());
    const visible = facets.map((f) => want.every(([key, value]) => !(key in f) || f[key] === value));
    let rows = 0;
    for (const element of all("[data-f]")) {
      element.hidden = !visible[element.dataset.f];
      if (element.tagName === "TR" && !element.hidden) rows += 1;
    }
    const only = chosen().implementation;
    for (const element of all("[data-implementation]")) {
      const off = only !== undefined && element.dataset.implementation !== only;
      if (element instanceof SVGElement) element.style.display = off ? "none" : "";
      else element.hidden = off;
      if (element.tagName === "TH") { // and its column
        for (const row of element.closest("table").tBodies[0].rows) row.cells[element.cellIndex].hidden = off;
      }
    }
    for (const block of all("[data-empties]")) {
      const parts = all("[data-f]", block);
      block.hidden = parts.length > 0 && parts.every((part) => part.hidden);
    }
    for (const note of all(".no-chart")) {
      note.hidden = all("figure", note.nextElementSibling).some((figure) => !figure.hidden);
    }
    if (count) count.textContent = want.length ? `${rows} rows match` : "";
  };
  const address = () => {
    const text = (part) => { try { return decodeURIComponent(part); } catch { return part; } };
    const place = location.hash.slice(1).split(";");
    const filters = place.slice(1).map((part) => {
      const at = part.indexOf("=");
      return [text(part.slice(0, at)), text(part.slice(at + 1))];
    });
    return { section: text(place[0]), filters };
  };
  const read = () => {
    const { section, filters } = address();
    const wanted = Object.fromEntries(filters);
    for (const select of selects) {
      const value = wanted[select.name] ?? "";
      select.value = [...select.options].some((o) => o.value === value) ? value : "";
    }
    apply();
    const target = section && document.getElementById(section);
    if (target && filters.length) target.scrollIntoView();
  };
  if (form) {
    form.hidden = false;
    form.addEventListener("change", () => {
      const parts = Object.entries(chosen()).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
      history.replaceState(null, "", `#${[address().section, ...parts].join(";")}`);
      apply();
    });
    form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("change"))));
    form.addEventListener("submit", (event) => event.preventDefault());
    // A link to a section keeps the filters.
    for (const link of all("a[href^='#']:not(.skip)")) {
      link.addEventListener("click", () => {
        const parts = Object.entries(chosen()).map(([key, value]) => `;${key}=${encodeURIComponent(value)}`);
        setTimeout(() => history.replaceState(null, "", link.getAttribute("href") + parts.join("")));
      });
    }
  }
  addEventListener("hashchange", read);
  read();

  // Sorting: by the quantity that a cell shows, or by its text.
  const factor = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, "%": 0.01 };
  const quantity = (text) => {
    const found = /^[<x+±]?(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)(?:\s?(ns|µs|ms|s|B|kB|MB|GB|TB|%)\b|%)?/.exec(text);
    return found ? parseFloat(found[1].replaceAll(",", "")) * (factor[found[2]] ?? 1) : null;
  };
  const compare = (a, b) => {
    const [x, y] = [quantity(a), quantity(b)];
    if (x !== null && y !== null) return x - y;
    return a.localeCompare(b);
  };
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      const control = document.createElement("button");
      control.type = "button";
      control.textContent = head.textContent;
      head.replaceChildren(control);
      control.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
        const some = rows.some(([text]) => quantity(text) !== null);
        const last = (text) => (some && quantity(text) === null ? 1 : 0); // what has no figure
        rows.sort((a, b) => last(a[0]) - last(b[0]) || (down ? -1 : 1) * compare(a[0], b[0]));
        for (const [, row] of rows) row.classList.remove("n");
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // Points of a chart: arrow keys go from one to the next, what is in focus is read out beside it.
  for (const figure of all("figure")) {
    const points = all(".point", figure);
    if (!points.length) continue;
    const said = document.createElement("p");
    said.className = "quiet said";
    said.setAttribute("aria-live", "polite");
    said.textContent = "Point at a mark, or move through the marks with the arrow keys, for its figures.";
    figure.append(said);
    const tell = (point) => { said.textContent = point.getAttribute("aria-label"); };
    points.forEach((point, i) => {
      point.addEventListener("mouseenter", () => tell(point));
      point.addEventListener("focus", () => tell(point));
      point.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        points[(i + step + points.length) % points.length].focus();
      });
    });
  }
})();
