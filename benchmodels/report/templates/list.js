(function () {
  "use strict";
  var choice = document.getElementById("unit");
  document.querySelectorAll(".needs-js").forEach(function (part) { part.hidden = false; });
  function show(id) {
    var row = document.getElementById(id);
    if (!row || row.tagName !== "DETAILS") { return; }
    row.open = true;
    row.scrollIntoView({ block: "center" });
    row.querySelector("summary").focus({ preventScroll: true });
  }
  choice.addEventListener("change", function () {
    if (choice.value !== "") {
      history.replaceState(null, "", "#unit-" + choice.value);
      show("unit-" + choice.value);
    }
  });
  if (/^#unit-\d+$/.test(location.hash)) { show(location.hash.slice(1)); }
}());
