"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var chooser = document.getElementById("unit");
  var live = document.getElementById("live");
  var collator = new Intl.Collator(document.documentElement.lang);
  var narrow = window.matchMedia("(max-width: 46rem)");

  function all(selector, root) {
    return Array.prototype.slice.call((root || document).querySelectorAll(selector));
  }

  function cell(kind, text, className) {
    var element = document.createElement(kind);
    if (text !== null) { element.textContent = text; }
    if (className) { element.className = className; }
    return element;
  }

  function drawParts(body, parts) {
    all("tr.part", body).forEach(function (row) { row.remove(); });
    var largest = Math.max.apply(null, parts.map(function (part) { return Math.abs(part[2]); }).concat(1e-300));
    var end = body.querySelector("tr.end.last");
    parts.forEach(function (part) {
      var row = cell("tr", null, "part");
      var name = cell("th", part[0]);
      name.scope = "row";
      var track = cell("div", null, "track");
      var bar = cell("div", null, "bar " + (part[2] >= 0 ? "up" : "down"));
      var share = 48 * Math.abs(part[2]) / largest;
      bar.style.width = share + "%";
      bar.style.left = (part[2] >= 0 ? 50 : 50 - share) + "%";
      track.setAttribute("aria-hidden", "true");
      track.appendChild(bar);
      var drawn = cell("td", null);
      drawn.appendChild(track);
      row.append(name, drawn, cell("td", part[1], "value"));
      body.insertBefore(row, end);
    });
  }

  function drawGoods(body, goods) {
    var limits = body.parentNode.tHead.rows[0].cells[3];
    body.replaceChildren();
    goods.forEach(function (good) {
      var row = cell("tr", null);
      var name = cell("th", good[0]);
      name.scope = "row";
      row.append(name);
      good.slice(1).forEach(function (text, i) {
        var told = cell("td", text, "n");
        if (i === 2) { told.dataset.label = limits.textContent; }
        row.append(told);
      });
      body.appendChild(row);
    });
  }

  function place(track, className, from, to) {
    var mark = cell("div", null, className);
    mark.style.left = from + "%";
    if (to !== undefined) { mark.style.width = Math.max(to - from, 0.4) + "%"; }
    track.appendChild(mark);
  }

  function drawBeside(body, drawing) {
    var kinds = ["now", "average", "best"];
    body.replaceChildren();
    drawing.rows.forEach(function (told, i) {
      var row = cell("tr", null);
      var name = cell("th", null);
      var track = cell("div", null, "track");
      var drawn = cell("td", null);
      var value = cell("td", told[1], "value");
      name.scope = "row";
      name.append(cell("span", null, "mark " + kinds[i]), " " + told[0]);
      track.setAttribute("aria-hidden", "true");
      drawing.ticks.forEach(function (tick) { place(track, "tick", tick[1]); });
      place(track, "line", drawing.rows[0][3]);
      if (told[4] !== null) {
        place(track, "reach " + kinds[i], told[4], told[5]);
        if (told[4] === 0) { place(track, "cut left", 0); }
        if (told[5] === 100) { place(track, "cut right", 100); }
      }
      place(track, "mark " + kinds[i], told[3]);
      if (told[2]) { value.append(cell("span", told[2], "note")); }
      drawn.appendChild(track);
      row.append(name, drawn, value);
      body.appendChild(row);
    });
    var axis = cell("tr", null, "axis");
    var scale = cell("div", null, "track");
    var held = cell("td", null);
    drawing.ticks.forEach(function (tick) {
      var text = cell("span", tick[0]);
      text.style.left = tick[1] + "%";
      scale.appendChild(text);
    });
    axis.setAttribute("aria-hidden", "true");
    held.appendChild(scale);
    axis.append(cell("td", null), held, cell("td", null));
    body.appendChild(axis);
  }

  function drawGrowth(root, told) {
    all("tbody[data-growth]", root).forEach(function (body) {
      var kind = body.dataset.growth;
      body.replaceChildren();
      told[kind].forEach(function (entry, i) {
        var row = cell("tr", null, kind === "rows" && i === told.rows.length - 1 ? "last" : "");
        var name = cell("th", entry[0]);
        name.scope = "row";
        row.append(name);
        if (kind !== "rows") {
          entry.slice(1).forEach(function (text) { row.append(cell("td", text, "n")); });
          body.appendChild(row);
          return;
        }
        var track = cell("div", null, "track two");
        var drawn = cell("td", null);
        var value = cell("td", entry[1], "value");
        track.setAttribute("aria-hidden", "true");
        place(track, "zero", told.zero);
        if (entry[2]) { place(track, "bar " + entry[2][2], entry[2][0], entry[2][0] + entry[2][1]); }
        if (entry[4]) { place(track, "bar all", entry[4][0], entry[4][0] + entry[4][1]); }
        value.append(cell("span", entry[3], "note"));
        drawn.appendChild(track);
        row.append(drawn, value);
        body.appendChild(row);
      });
    });
  }

  function tag(svg, mark, label) {
    var text = document.createElementNS(svg.namespaceURI, "text");
    var width = svg.viewBox.baseVal.width;
    var x = parseFloat(mark.dataset.x);
    var right = x > width * 0.62;
    text.setAttribute("class", "tag");
    text.setAttribute("x", x + (right ? -10 : 10));
    text.setAttribute("y", Math.max(18, parseFloat(mark.dataset.y) - 9));
    text.setAttribute("text-anchor", right ? "end" : "start");
    text.textContent = label;
    svg.appendChild(text);
  }

  function highlight(index) {
    all(".chosen").forEach(function (element) { element.classList.remove("chosen"); });
    all("svg .tag").forEach(function (element) { element.remove(); });
    if (index < 0) { return; }
    all('[data-u="' + index + '"]').forEach(function (element) {
      element.classList.add("chosen");
      if (element.ownerSVGElement) {
        element.parentNode.appendChild(element);
        tag(element.ownerSVGElement, element, data.units[index]);
      }
    });
  }

  function fill(root, words) {
    all("[data-slot]", root).forEach(function (slot) {
      var text = words.slots[slot.dataset.slot];
      slot.textContent = text === undefined ? "" : text;
    });
    all("[data-if]", root).forEach(function (element) {
      element.hidden = !words.slots[element.dataset["if"]];
    });
    all("[data-verdict]", root).forEach(function (box) {
      box.dataset.state = words.states[box.dataset.verdict];
    });
    all(".parts", root).forEach(function (part) {
      part.hidden = words.parts.length === 0;
      if (words.parts.length) { drawParts(part.querySelector("tbody"), words.parts); }
    });
    all("table.goods", root).forEach(function (table) {
      table.hidden = words.goods.length === 0;
      drawGoods(table.tBodies[0], words.goods);
    });
    if (words.growth) { drawGrowth(root, words.growth); }
    all("table.beside", root).forEach(function (table) {
      if (words.beside) { drawBeside(table.tBodies[0], words.beside); }
    });
  }

  function say(key, unit, summary) {
    // split and join, so that no '$' in a name is taken for a pattern
    return data.words[key].split("{unit}").join(unit).split("{summary}").join(summary);
  }

  function show(index) {
    var label = index < 0 ? "" : data.units[index];
    var told = [];
    data.studies.forEach(function (study) {
      var words = index < 0 ? undefined : study.rows[index];
      var profile = document.getElementById("profile-" + study.id);
      var line = document.getElementById("overview-" + study.id);
      profile.hidden = words === undefined;
      all(".none", line).forEach(function (element) { element.hidden = words !== undefined; });
      all("[data-slot]", line).forEach(function (element) { element.hidden = words === undefined; });
      if (words) {
        all("[data-unit]", profile).forEach(function (element) { element.textContent = label; });
        fill(profile, words);
        fill(line, words);
        told.push(words.summary);
      } else if (index >= 0) {
        told.push(say("missing", label, ""));
      }
    });
    all("[data-chosen-name]").forEach(function (element) { element.textContent = label && ": " + label; });
    highlight(index);
    live.textContent = index < 0 ? "" : say("chosen", label, told.join(" "));
  }

  function asked() {
    var hash = window.location.hash;
    var found = /^#m=(.*)$/.exec(hash);
    var text = found ? found[1] : new URLSearchParams(window.location.search).get("m");
    if (text === null || text === undefined) { return null; }
    try { text = found ? decodeURIComponent(text) : text; } catch (error) { return null; }
    return data.units.indexOf(text);
  }

  function follow() {
    var index = asked();
    if (index === null) { return; }
    chooser.value = index < 0 ? "" : String(index);
    show(index);
  }

  function sortBy(button) {
    var head = button.closest("th");
    var table = button.closest("table");
    var column = head.cellIndex;
    var ascending = head.getAttribute("aria-sort") !== "ascending";
    all("th[aria-sort]", table).forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    var body = table.tBodies[0];
    var rows = all("tr", body).map(function (row, place) {
      var item = row.cells[column];
      var number = parseFloat(item.dataset.v);
      return { row: row, place: place, text: item.textContent.trim(), number: number, empty: item.dataset.v === "" };
    });
    rows.sort(function (a, b) {
      if (a.empty !== b.empty) { return a.empty ? 1 : -1; }
      var by = isNaN(a.number) || isNaN(b.number) ? collator.compare(a.text, b.text) : a.number - b.number;
      return (ascending ? by : -by) || a.place - b.place;
    });
    rows.forEach(function (item) { body.appendChild(item.row); });
  }

  chooser.addEventListener("change", function () {
    var index = chooser.value === "" ? -1 : Number(chooser.value);
    var hash = index < 0 ? "" : "#m=" + encodeURIComponent(data.units[index]);
    window.history.replaceState(null, "", window.location.pathname + hash);
    show(index);
  });
  window.addEventListener("hashchange", follow);
  window.addEventListener("beforeprint", function () {
    all("details").forEach(function (element) { element.open = true; });
  });
  all("thead button").forEach(function (button) {
    button.addEventListener("click", function () { sortBy(button); });
  });
  all(".needs-js").forEach(function (element) { element.hidden = false; });
  follow();
}());
