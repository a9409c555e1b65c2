"""The one style of all HTML pages: light, dark, phone, paper."""

STYLE = """
:root { --ink: #1f2328; --soft: #59636e; --paper: #ffffff; --panel: #f6f8fa; --line: #d1d9e0;
  --bar: #0072b2; --bad: #b42318; --bad-paper: #fef3f2; --warn: #8a5300; --warn-paper: #fff8e6;
  --good: #1a7f37; --good-paper: #eefbf1; --c0: #0072b2; --c1: #d55e00; --c2: #009e73;
  --c3: #cc79a7; --c4: #e69f00; --c5: #56b4e9; --c6: #1f2328; --c7: #e0d42e; }
@media screen and (prefers-color-scheme: dark) { :root {
  --ink: #e6edf3; --soft: #9aa4af; --paper: #0d1117; --panel: #161b22; --line: #30363d;
  --bar: #56b4e9; --bad: #ff8a80; --bad-paper: #2d1414; --warn: #f0b34a; --warn-paper: #2a2007;
  --good: #56d364; --good-paper: #0e2415; --c0: #2f8fd8; --c1: #dd5c10; --c2: #0aa67a;
  --c3: #d487b2; --c4: #eba41a; --c5: #8fd0f7; --c6: #ffffff; --c7: #f5ee5a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 40px 0 4px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 14px; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 4px 0 12px; max-width: 80ch; overflow-wrap: anywhere; }
a { color: inherit; }
pre, code { font: 13px/1.5 ui-monospace, SFMono-Regular, Consolas, monospace; }
pre { margin: 8px 0; padding: 10px 12px; background: var(--panel); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); }
.soft { font-size: 14px; }
nav { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 12px 0; font-size: 14px; }
.tag { display: inline-block; padding: 0 7px; border: 1px solid currentColor; border-radius: 9px;
  font-size: 12px; line-height: 18px; white-space: nowrap; margin-right: 6px; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.verdict { padding: 10px 14px; border-left: 5px solid currentColor; border-radius: 4px;
  margin: 16px 0; font-weight: 600; }
.verdict.bad { background: var(--bad-paper); } .verdict.warn { background: var(--warn-paper); }
.verdict.good { background: var(--good-paper); }
.wide { overflow-x: auto; margin: 8px -4px 16px; padding: 0 4px; }
table { border-collapse: collapse; font-size: 14px; min-width: 320px; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
td:not(.n) { min-width: 9em; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.charts { display: grid; gap: 16px; margin: 8px 0;
  grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.chart { margin: 0; padding: 10px 12px; background: var(--panel); border-radius: 6px; }
.chart svg { display: block; width: 100%; height: 90px; fill: var(--bar); margin-top: 6px; }
.ends { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft);
  border-top: 1px solid var(--line); }
figcaption { font-size: 13px; }
.groups { display: grid; gap: 12px; align-items: start; margin: 10px 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); }
.group { border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; min-width: 0;
  break-inside: avoid; }
.pictures { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.pictures + h3 { margin-top: 18px; }
.pictures.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.large .picture img { height: 260px; }
.picture { margin: 0; min-width: 0; break-inside: avoid; }
.picture img, .none { display: block; width: 100%; height: 130px; object-fit: contain;
  background: var(--panel); border-radius: 4px; }
.none { line-height: 130px; text-align: center; color: var(--soft); font-size: 13px; }
.picture figcaption { margin-top: 4px; font-size: 12px; line-height: 1.4;
  overflow-wrap: anywhere; }
.picture figcaption div:first-child { color: var(--ink); }
.pair { display: grid; gap: 12px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.pair .picture img, .pair .none { height: 200px; } .pair .none { line-height: 200px; }
.more { color: var(--soft); font-style: italic; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; }
button:enabled { cursor: pointer; }
:focus-visible { outline: 2px solid var(--bar); outline-offset: 2px; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding: 0 0 4px; }
th button { font-weight: 600; white-space: nowrap; }
th button:enabled::after { content: " \\2195"; content: " \\2195" / ""; color: var(--soft); }
th[aria-sort="ascending"] button:enabled::after { content: " \\2191"; content: " \\2191" / "";
  color: var(--ink); }
th[aria-sort="descending"] button:enabled::after { content: " \\2193"; content: " \\2193" / "";
  color: var(--ink); }
.picture button { display: block; width: 100%; }
.picture button:enabled { cursor: zoom-in; }
.grid { display: grid; gap: 16px; margin: 10px 0; align-items: start;
  grid-template-columns: minmax(0, 1fr); }
@media (min-width: 800px) { .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.plot { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-radius: 6px;
  min-width: 0; break-inside: avoid; }
.plot svg { display: block; width: 100%; height: auto; }
.plot figcaption { margin-top: 6px; overflow-wrap: anywhere; display: flex; flex-wrap: wrap;
  gap: 2px 16px; justify-content: space-between; }
dialog { border: 0; padding: 0; color: var(--ink); background: var(--paper); border-radius: 8px;
  max-width: 96vw; max-height: 96vh; overflow: auto; overscroll-behavior: contain; }
dialog::backdrop { background: rgb(0 0 0 / 0.7); }
dialog > div { padding: 8px 12px 12px; }
dialog img { display: block; max-width: 100%; max-height: calc(96vh - 130px); margin: 0 auto; }
.close { display: block; margin: 0 -6px 4px auto; width: 36px; height: 36px; font-size: 24px;
  line-height: 1; }
.said { margin-top: 8px; font-size: 13px; overflow-wrap: anywhere; }
summary { cursor: pointer; }
@media (max-width: 600px) { main { padding: 16px 14px 40px; }
  .pictures { grid-template-columns: repeat(2, minmax(0, 1fr)); } h1 { font-size: 22px; }
  .plot { padding: 8px 4px; } .plot figcaption { padding: 0 6px; } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --panel: #fff; --line: #bbb;
  --bar: #333; --bad: #900; --warn: #640; --good: #040; --bad-paper: #fff; --warn-paper: #fff;
  --good-paper: #fff; }
  main { max-width: none; padding: 0; } h2, h3, summary { break-after: avoid; }
  tr { break-inside: avoid; } .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .wide { overflow: visible; margin: 8px 0; padding: 0; } th, th button { white-space: normal; }
  .picture img, .none { height: 100px; } .download, dialog { display: none; }
  th button:enabled::after { content: none; } summary { list-style: none; }
  details::details-content { content-visibility: visible; display: block; height: auto; } }
"""
