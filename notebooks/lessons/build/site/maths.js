// MathJax is large: only a page with equations asks for it.
document.addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector(".math")) return;
  const script = document.createElement("script");
  script.src = `${document.documentElement.dataset.content_root}_static/mathjax/tex-svg.js`;
  document.head.append(script);
});
