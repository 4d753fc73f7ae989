"""How the page of a matrix looks: its colours in both schemes, and what becomes of the table on a narrow screen."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #faf9f7; --card: #ffffff; --ink: #1c2025; --soft: #59606a;
  --line: #dedcd6; --fill: #3c6ea8; --track: #e6e9ee; --code: #f1efea;
  --good: #14603a; --goodbg: #e2f3e9; --bad: #9b1f18; --badbg: #fae4e2;
  --note: #734b00; --notebg: #faeed5; --calm: #505863; --calmbg: #eaecef }
@media (prefers-color-scheme: dark) {
  :root { --paper: #131519; --card: #1b1e23; --ink: #e7e8ea; --soft: #a3abb6;
    --line: #343942; --fill: #7fb0ea; --track: #2b3038; --code: #262a31;
    --good: #78daa8; --goodbg: #15321f; --bad: #ffa097; --badbg: #421b18;
    --note: #f3c974; --notebg: #3a2c0d; --calm: #b1b8c2; --calmbg: #2a2f36 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1320px; margin: 0 auto; padding: 36px 24px 72px }
.eyebrow { margin: 0; color: var(--soft); font-size: 13px }
h1 { margin: 2px 0 6px; font-size: 27px; line-height: 1.2 }
h2 { margin: 0; font-size: 18px; line-height: 1.3; overflow-wrap: anywhere }
h3 { margin: 0; font-size: 15px }
p { margin: 4px 0; overflow-wrap: anywhere }
.lead { color: var(--soft); font-size: 16px }
section { margin-top: 24px; padding: 20px 22px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; scroll-margin-top: 12px }
.head { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; justify-content: space-between }
table { width: 100%; margin-top: 12px; border-collapse: collapse }
th { padding: 6px 14px 6px 0; color: var(--soft); font-size: 13px; text-align: left;
  border-bottom: 1px solid var(--line) }
td, tbody th { padding: 9px 14px 9px 0; vertical-align: top; border-bottom: 1px solid var(--line) }
tbody th { color: var(--ink); font-size: 15px; font-weight: 400 }
tr:last-child td, tbody tr:last-child th { border-bottom: 0 }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums }
a { color: inherit; overflow-wrap: anywhere }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--fill); outline-offset: 2px }
.mark { display: inline-block; padding: 1px 10px; border-radius: 12px; font-size: 13px; font-weight: 600 }
.good { color: var(--good); background: var(--goodbg) }
.bad { color: var(--bad); background: var(--badbg) }
.note { color: var(--note); background: var(--notebg) }
.calm { color: var(--calm); background: var(--calmbg) }
.bar { display: block; width: 100%; min-width: 90px; height: 8px; margin: 7px 0 4px; border-radius: 4px;
  background: var(--track); overflow: hidden }
.bar span { display: block; height: 100%; min-width: 2px; background: var(--fill) }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(250px, 100%), 1fr)); gap: 10px 22px;
  margin: 14px 0 6px }
dl div:first-child { grid-column: 1 / -1 }
dt { color: var(--soft); font-size: 13px }
dd { margin: 0; overflow-wrap: anywhere }
code { padding: 1px 5px; border-radius: 4px; background: var(--code); overflow-wrap: anywhere;
  font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace }
.error { margin-top: 12px; padding: 10px 14px; border-left: 4px solid var(--bad); background: var(--badbg) }
summary { margin-top: 10px; font-weight: 600; cursor: pointer }
.pending { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); gap: 14px 26px;
  margin: 10px 0 0; padding: 0; list-style: none }
.url { color: var(--soft); font-size: 13px }
@media (max-width: 860px) {
  main { padding: 22px 12px 48px }
  section { padding: 16px 14px }
  .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .cards, .cards tbody { display: block }
  .cards tr { display: block; padding: 10px 0; border-bottom: 1px solid var(--line) }
  .cards tr:last-child { border-bottom: 0 }
  .cards td, .cards tbody th { display: flex; gap: 10px; padding: 3px 0; border: 0 }
  .cards td.void { display: none }
  .cards td::before, .cards tbody th::before { content: attr(data-label); flex: 0 0 84px;
    color: var(--soft); font-size: 13px }
  .cards td[data-label="no."] { display: none }
  .cards .bar { flex: 1 1 60px; min-width: 60px } }
@media print { section { break-inside: avoid } }
"""
