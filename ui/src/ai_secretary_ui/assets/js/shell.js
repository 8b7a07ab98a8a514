/* Shell: palette, log-out, lost connection, menus that mark the theme in force. No framework, no outside request. */
(function () {
  "use strict";
  const RU = "йцукенгшщзхъфывапролджэячсмитьбюё";
  const EN = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`";
  const swapMap = {};
  for (let i = 0; i < RU.length; i++) { swapMap[RU[i]] = EN[i]; swapMap[EN[i]] = RU[i]; }
  const swap = (text) => text.toLowerCase().split("").map((c) => swapMap[c] || c).join("");
  const plain = (text) => text.toLowerCase().replaceAll("ё", "е");

  const make = (tag, classes, text) => {
    const node = document.createElement(tag);
    if (classes) node.className = classes;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const glyph = (name) => { const node = make("span", "ms", name); node.setAttribute("aria-hidden", "true"); return node; };

  const palette = { items: null, texts: {}, found: [], shown: [], at: 0, box: null, before: null, timer: 0, asked: 0 };

  async function load() {
    if (palette.items) return;
    const reply = await fetch("/ui/palette.json", { headers: { accept: "application/json" } });
    if (reply.status === 401) { location.href = "/ui/login?next=" + encodeURIComponent(location.pathname + location.search); return; }
    const data = await reply.json();
    palette.items = data.items;
    palette.texts = data.texts;
  }

  function build() {
    const back = make("div", "as-palback");
    const box = make("div", "as-palette");
    box.setAttribute("role", "dialog"); box.setAttribute("aria-modal", "true"); box.setAttribute("aria-label", palette.texts.label || "");
    const head = make("div", "as-palin");
    const input = make("input"); input.type = "text"; input.placeholder = palette.texts.placeholder || "";
    input.setAttribute("role", "combobox"); input.setAttribute("aria-expanded", "true"); input.setAttribute("aria-controls", "as-pallist");
    input.setAttribute("aria-label", palette.texts.label || ""); input.autocomplete = "off"; input.spellcheck = false;
    const esc = make("button", "as-kbd", "Esc"); esc.type = "button"; esc.addEventListener("click", close);
    head.append(glyph("search"), input, esc);
    const list = make("div", "as-pallist"); list.id = "as-pallist"; list.setAttribute("role", "listbox");
    const foot = make("div", "as-palfoot");
    const hint = (keys, word) => { const span = make("span"); keys.forEach((k) => span.append(make("span", "as-kbd", k))); span.append(" " + word); return span; };
    foot.append(hint(["↑", "↓"], palette.texts.choose), hint(["↵"], palette.texts.run), hint(["Ctrl ↵"], palette.texts.aside));
    box.append(head, list, foot); back.append(box);
    back.addEventListener("mousedown", (event) => { if (event.target === back) close(); });
    input.addEventListener("input", () => search(input.value));
    box.addEventListener("keydown", keys);
    palette.box = back; palette.input = input; palette.list = list;
    document.body.append(back);
  }

  async function open() {
    if (palette.box) { palette.input.focus(); palette.input.select(); return; }
    palette.before = document.activeElement;
    await load();
    if (!palette.items || palette.box) return;
    build();
    search("");
    palette.input.focus();
  }

  function close() {
    if (!palette.box) return;
    palette.box.remove(); palette.box = null;
    clearTimeout(palette.timer);
    if (palette.before && palette.before.focus) palette.before.focus();
  }

  function score(item, query) {
    const label = plain(item.label);
    const place = label.indexOf(query);
    if (place === 0) return 0;
    if (place > 0) return /[\s«"“(]/.test(label[place - 1]) ? 1 : 2;
    if (plain(item.words || "").split(/\s+/).some((word) => word.startsWith(query))) return 3;
    if (plain(item.note || "").includes(query)) return 4;
    return -1;
  }

  function search(text) {
    const query = plain(text.trim());
    const variants = query ? [query, plain(swap(query))] : [];
    const ranked = [];
    palette.items.forEach((item, order) => {
      if (!query) { ranked.push({ item, rank: 0, order, hit: "" }); return; }
      for (const variant of variants) {
        const rank = score(item, variant);
        if (rank >= 0) { ranked.push({ item, rank, order, hit: variant }); return; }
      }
    });
    ranked.sort((a, b) => a.rank - b.rank || a.order - b.order);
    palette.found = ranked;
    palette.said = [];
    palette.at = 0;
    draw(query);
    clearTimeout(palette.timer);
    if (query.length >= 2) palette.timer = setTimeout(() => ask(text.trim(), query), 180);
  }

  async function ask(text, query) {
    const number = ++palette.asked;
    const reply = await fetch("/ui/palette.json?q=" + encodeURIComponent(text));
    if (!reply.ok || number !== palette.asked || !palette.box) return;
    const data = await reply.json();
    palette.said = data.items.map((item) => ({ item, hit: query }));
    draw(query);
  }

  function marked(label, hit) {
    const node = make("span", "as-ell");
    const at = hit ? plain(label).indexOf(hit) : -1;
    if (at < 0) { node.textContent = label; return node; }
    node.append(label.slice(0, at), make("mark", "", label.slice(at, at + hit.length)), label.slice(at + hit.length));
    return node;
  }

  function draw(query) {
    const list = palette.list;
    list.textContent = "";
    const groups = new Map();
    for (const entry of [...palette.found, ...palette.said]) {
      if (!groups.has(entry.item.group)) groups.set(entry.item.group, []);
      const bucket = groups.get(entry.item.group);
      if (!query && bucket.length >= 24) continue;
      bucket.push(entry);
    }
    palette.shown = [];
    for (const [name, entries] of groups) {
      list.append(make("div", "as-palgroup", name));
      for (const entry of entries) {
        const { item, hit } = entry;
        const row = make(item.href ? "a" : "div", "as-palitem");
        if (item.href) row.href = item.href;
        row.id = "as-pal-" + palette.shown.length;
        row.setAttribute("role", "option");
        row.append(glyph(item.icon), marked(item.label, hit));
        if (item.note) row.append(make("span", "as-12 as-faint as-ell", item.note));
        row.append(make("span", "as-sp"));
        if (item.key) row.append(make("span", "as-kbd", item.key));
        const index = palette.shown.length;
        row.addEventListener("mousemove", () => choose(index));
        row.addEventListener("click", (event) => { if (!item.href) { event.preventDefault(); run(index, false); } else close(); });
        palette.shown.push({ item, row });
        list.append(row);
      }
    }
    if (!palette.shown.length) list.append(make("div", "as-palgroup", palette.texts.nothing));
    choose(Math.min(palette.at, Math.max(palette.shown.length - 1, 0)));
  }

  function choose(index) {
    palette.shown.forEach(({ row }, i) => { row.classList.toggle("on", i === index); row.setAttribute("aria-selected", i === index); });
    palette.at = index;
    const entry = palette.shown[index];
    if (entry) { palette.input.setAttribute("aria-activedescendant", entry.row.id); entry.row.scrollIntoView({ block: "nearest" }); }
  }

  function run(index, aside) {
    const entry = palette.shown[index];
    if (!entry) return;
    const { item } = entry;
    close();
    if (item.theme) window.asTheme(item.theme);
    else if (item.language) window.asLanguage(item.language);
    else if (item.logout) window.asLogout();
    else if (item.href) { if (aside) window.open(item.href, "_blank", "noopener"); else location.href = item.href; }
  }

  function keys(event) {
    const count = palette.shown.length;
    if (event.key === "Escape") { event.preventDefault(); close(); }
    else if (event.key === "ArrowDown" && count) { event.preventDefault(); choose((palette.at + 1) % count); }
    else if (event.key === "ArrowUp" && count) { event.preventDefault(); choose((palette.at + count - 1) % count); }
    else if (event.key === "Enter") { event.preventDefault(); run(palette.at, event.ctrlKey || event.metaKey); }
    else if (event.key === "Tab") { event.preventDefault(); palette.input.focus(); }
  }

  window.asPalette = { open, close };
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.code === "KeyK") { event.preventDefault(); event.stopPropagation(); palette.box ? close() : open(); }
  }, true);

  window.asLogout = async function () {
    await fetch("/ui/logout", { method: "POST" });
    location.href = "/ui/login";
  };

  /* theme menus mark the choice in force when they open */
  document.addEventListener("click", () => setTimeout(() => {
    document.querySelectorAll("[data-theme-choice]").forEach((line) => {
      line.classList.toggle("on", line.dataset.themeChoice === window.asChosenTheme());
    });
  }, 60));

  /* lost connection: seconds counted, buttons off, the page stays readable */
  addEventListener("DOMContentLoaded", () => {
    const popup = document.getElementById("popup");
    if (!popup) return;
    let since = 0, ticker = 0;
    new MutationObserver(() => {
      const lost = popup.getAttribute("aria-hidden") === "false" || popup.ariaHidden === "false";
      if (lost && !ticker) {
        since = Date.now();
        ticker = setInterval(() => {
          const place = document.getElementById("as-lost");
          const passed = Math.round((Date.now() - since) / 1000);
          if (!place || passed < 2) return;
          place.classList.add("show");
          document.body.classList.add("as-offline");
          place.querySelector(".n").textContent = passed + (document.documentElement.lang.startsWith("ru") ? " с" : " s");
        }, 500);
      } else if (!lost && ticker) {
        clearInterval(ticker); ticker = 0;
        document.body.classList.remove("as-offline");
        const place = document.getElementById("as-lost");
        if (place) place.classList.remove("show");
      }
    }).observe(popup, { attributes: true });
  });
})();
document.addEventListener("visibilitychange", () => { if (window.emitEvent && window.socket) window.emitEvent("as-visible", document.visibilityState === "visible"); });
