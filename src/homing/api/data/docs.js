
document.querySelectorAll("[data-filter]").forEach(function (box) {
  var field = box.querySelector("input"), count = box.querySelector("output");
  var rows = Array.prototype.slice.call(document.querySelectorAll("[data-words]"));
  var groups = Array.prototype.slice.call(document.querySelectorAll("[data-group]"));
  function show() {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean), seen = 0;
    rows.forEach(function (row) {
      var text = row.getAttribute("data-words").toLowerCase();
      row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
      seen += row.hidden ? 0 : 1;
    });
    groups.forEach(function (group) {
      group.hidden = !group.querySelector("[data-words]:not([hidden])");
    });
    count.textContent = words.length ? seen + " of " + rows.length : "";
  }
  field.addEventListener("input", show);
  box.hidden = false;
  show();
});
