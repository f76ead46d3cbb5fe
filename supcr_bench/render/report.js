"use strict";
// What the page does beyond being read: a theme, filters, what to use, copies, a panel per case.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const element = (name, text = "", properties = {}) =>
    Object.assign(document.createElement(name), { textContent: text }, properties);
  const form = document.getElementById("filters");
  const base = document.getElementById("base");
  root.classList.add("js");

  // Theme: by the system until a person chooses.
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  const kept = () => { try { return localStorage.getItem("supcr-bench-theme"); } catch { return null; } };
  const show = (theme) => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  let theme = themes.includes(kept()) ? kept() : "system";
  show(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("supcr-bench-theme", theme); } catch { /* a file may not keep anything */ }
    show(theme);
  });

  // Filters: what is not chosen gives the root a class, for which the style has a rule.
  const boxes = form ? all("input", form) : [];
  const data = JSON.parse(document.getElementById("page-data")?.textContent ?? "{}");
  const apply = () => {
    for (const box of boxes) root.classList.toggle(`no-${box.dataset.class}`, !box.checked);
    recommend();
  };

  // What to use among the chosen: who is right, and slower than none of the others.
  const units = (value, steps) => {
    const [scale, unit] = steps.find(([s]) => value >= 0.9995 * s) ?? steps.at(-1);
    const scaled = value / scale;
    const digits = unit === "B" || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
    return `${scaled.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
  };
  const duration = (s) => units(s, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]);
  const size = (b) => units(b, [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [999.5, "kB"], [1, "B"]].map(([s, u]) => [u === "kB" ? 1e3 : s, u]));
  const ratio = (r) => r.toLocaleString("en", { useGrouping: true, ...((d) => ({ minimumFractionDigits: d, maximumFractionDigits: d }))(r >= 99.95 ? 0 : r >= 9.995 ? 1 : r >= 0.0995 ? 2 : 3) });
  const recommend = () => {
    const off = new Set(boxes.filter((b) => b.name === "implementation" && !b.checked).map((b) => data.names.indexOf(b.value)));
    (data.uses ?? []).forEach((rows, number) => {
      const body = document.querySelector(`[data-name="use-${number}"] tbody`);
      rows.forEach((entries, i) => {
        const right = entries.filter(([name, , , beaten]) => beaten !== null && !off.has(name));
        const ahead = right.filter(([name]) => !right.some(([, , , beaten]) => beaten.includes(name)));
        const tied = (ahead.length ? ahead : right).sort((a, b) => a[1] - b[1]);
        const over = entries.find(([name]) => data.names[name] === base?.value);
        const [, use, time, memory, faster] = body.rows[i].cells;
        use.textContent = tied.map(([name]) => data.names[name]).join(" or ") || "none";
        use.classList.toggle("bad", !tied.length);
        const [best] = tied;
        time.textContent = best ? duration(best[1]) : "";
        memory.textContent = best ? (best[2] === null ? "-" : size(best[2])) : "";
        if (faster) faster.textContent = best && over && !tied.includes(over) ? ratio(over[1] / best[1]) : "";
      });
    });
  };

  // The address keeps what is left out, and the baseline.
  const text = (part) => { try { return decodeURIComponent(part); } catch { return part; } };
  const section = () => text(location.hash.slice(1).split(";")[0]);
  const written = () => {
    const off = boxes.filter((box) => !box.checked).map((box) => `;no-${box.name}=${encodeURIComponent(box.value)}`);
    if (base && base.value !== base.dataset.usual) off.push(`;base=${encodeURIComponent(base.value)}`);
    return off.join("");
  };
  const keep = () => { history.replaceState(null, "", `#${section()}${written()}`); apply(); };
  const read = () => {
    const parts = location.hash.slice(1).split(";").slice(1).map((part) => part.split("=").map(text));
    for (const box of boxes) box.checked = !parts.some(([k, v]) => k === `no-${box.name}` && v === box.value);
    const wanted = parts.find(([k]) => k === "base");
    if (base) base.value = wanted && data.names.includes(wanted[1]) ? wanted[1] : base.dataset.usual;
    apply();
    const target = section() ? document.getElementById(section()) : null;
    target?.closest("details")?.setAttribute("open", "");
    if (target && parts.length) target.scrollIntoView();
  };
  if (base) {
    base.dataset.usual = base.value;
    base.addEventListener("change", keep);
  }
  if (form) {
    form.hidden = false;
    form.addEventListener("change", keep);
    form.addEventListener("reset", () => setTimeout(keep));
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const link of all("a[href^='#']:not(.skip)")) { // a link to a section keeps the choice
      link.addEventListener("click", () => setTimeout(() => history.replaceState(null, "", link.getAttribute("href") + written())));
    }
  }

  // Copies and files.
  const copy = async (control, content) => {
    const before = control.textContent;
    try {
      await navigator.clipboard.writeText(content);
      control.textContent = "Copied";
      setTimeout(() => { control.textContent = before; }, 1500);
    } catch {
      tell("Copy this", [element("textarea", content, { rows: 12, cols: 60, readOnly: true })]);
    }
  };
  const save = (blob, name) => {
    const link = element("a", "", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const tools = (block, makers, first) => {
    const bar = element("div", "", { className: "tools" });
    for (const [label, act] of makers) {
      const control = element("button", label, { type: "button" });
      control.addEventListener("click", () => act(control));
      bar.append(control);
    }
    block[first ? "before" : "after"](bar);
  };
  const visible = (cell) => getComputedStyle(cell).display !== "none";
  const cells = (table) => [...table.rows].filter(visible).map((row) => [...row.cells].filter(visible).map((cell) => cell.textContent.trim().replace(/\s+/g, " ")));
  const csv = (rows) => rows.map((row) => row.map((c) => (/[",\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c)).join(",")).join("\n") + "\n";
  const markdown = (rows) => [rows[0], rows[0].map(() => "---"), ...rows.slice(1)].map((row) => `| ${row.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`).join("\n") + "\n";
  for (const block of all(".scroll[data-name]")) {
    const table = block.querySelector("table");
    tools(block, [
      ["Copy CSV", (control) => copy(control, csv(cells(table)))],
      ["Copy Markdown", (control) => copy(control, markdown(cells(table)))],
    ], table.querySelector("td[data-r]")); // before the cells that a keyboard would pass
  }
  for (const figure of all("figure")) {
    const drawn = () => {
      const svg = figure.querySelector("svg").cloneNode(true);
      const shown = all("[id]", figure.querySelector("svg"));
      all("[id]", svg).forEach((part, i) => { if (!visible(shown[i]) && !/\.(paper|title)$/.test(part.id)) part.remove(); });
      return new XMLSerializer().serializeToString(svg);
    };
    tools(figure.querySelector(".scroll"), [
      ["Save SVG", () => save(new Blob([drawn()], { type: "image/svg+xml" }), `${figure.id}.svg`)],
      ["Save PNG", () => {
        const image = new Image();
        image.onload = () => {
          const canvas = element("canvas", "", { width: 2 * image.width, height: 2 * image.height });
          canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
          canvas.toBlob((blob) => save(blob, `${figure.id}.png`));
        };
        image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawn())}`;
      }],
    ]);
  }
  document.getElementById("link")?.addEventListener("click", (event) => copy(event.target, location.href));

  // A panel for each case, from the raw data that the page holds.
  const panel = document.getElementById("case");
  const tell = (title, parts) => {
    panel.querySelector("h2").textContent = title;
    panel.querySelector("div").replaceChildren(...parts);
    panel.showModal();
  };
  let columns = null;
  const raw = async () => {
    if (!columns) {
      const packed = Uint8Array.from(atob(document.getElementById("run-data").href.split(",")[1]), (c) => c.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      columns = JSON.parse(await new Response(stream).text()).results;
    }
    return columns;
  };
  const strip = (values, label, sorted) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const shown = sorted ? [...values].sort((a, b) => a - b) : values;
    const at = shown.map((v, i) => [(100 * (i + 0.5)) / shown.length, 95 - (90 * (v - low)) / (high - low || 1)]);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    const line = document.createElementNS(svg.namespaceURI, "polyline");
    line.setAttribute("points", at.map((p) => p.join(",")).join(" "));
    line.setAttribute("style", "fill: none; stroke: var(--link); stroke-width: 2px; vector-effect: non-scaling-stroke");
    svg.append(line);
    return [element("p", `${label}: ${duration(low)} to ${duration(high)}`), svg];
  };
  const open = async (number) => {
    const own = Object.fromEntries(Object.entries(await raw()).map(([key, column]) => [key, column[number]]));
    const samples = own.time_samples_s ?? [];
    const further = Object.values(own.further_samples_s ?? {}).filter((values) => values.length);
    const parts = samples.length ? [...strip(samples, "Seconds of a call, by round", false), ...strip(samples, "The same by rising time", true)] : [];
    const list = element("dl");
    if (samples.length) {
      const sorted = (values) => [...values].sort((a, b) => a - b);
      const median = (values) => (values[(values.length - 1) >> 1] + values[values.length >> 1]) / 2;
      const ordered = sorted(samples);
      const [low, high] = rank(ordered.length);
      const of = further.length ? ", first process" : "";
      list.append(element("dt", `median${of}`), element("dd", duration(median(ordered))));
      if (further.length) list.append(element("dt", "medians, further processes"), element("dd", further.map((values) => duration(median(sorted(values)))).join(", ")));
      list.append(element("dt", `95 % interval${of}`), element("dd", low === null ? "too few samples" : `${duration(ordered[low])} to ${duration(ordered[high])}`));
    }
    for (const [key, value] of Object.entries(own)) {
      if (value === null || value === undefined || key.endsWith("samples_s")) continue;
      const shown = key.endsWith("_s") ? duration(value) : key.endsWith("bytes") ? size(value) : typeof value === "object" ? JSON.stringify(value) : value;
      list.append(element("dt", key.replaceAll("_", " ")), element("dd", String(shown)));
    }
    if (samples.length) list.append(element("dt", "samples"), element("dd", samples.map(duration).join(", ")));
    tell(`${own.implementation}, ${own.pass} at N=${own.batch_size}, D=${own.dims}`, [...parts, list]);
  };
  // The distribution-free interval of a median: the widest ranks whose chance to miss is at most 5 %.
  const rank = (n) => {
    let [below, chance, found] = [0, 0.5 ** n, null];
    for (let r = 0; r < n / 2; r += 1) {
      below += chance;
      if (2 * below > 0.05) break;
      found = r;
      chance *= (n - r) / (r + 1);
    }
    return found === null ? [null, null] : [found, n - 1 - found];
  };
  const dress = (block) => { // cells become buttons once they can be seen
    for (const cell of all("td[data-r]", block)) {
      if (cell.firstElementChild) continue;
      cell.replaceChildren(element("button", cell.textContent, { type: "button" }));
    }
  };
  for (const fold of all("details")) fold.addEventListener("toggle", () => dress(fold));
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-r]");
    if (cell) open(Number(cell.dataset.r));
    const mark = event.target.closest("use");
    const group = mark?.closest("g[id]");
    const known = group && data.marks?.[group.id];
    if (known) open(known[all("use", group).indexOf(mark)]);
  });
  addEventListener("hashchange", read);
  read();
})();
