#include "report/html_parts.h"

namespace quiver {

// Text on every shade and every expert's colour has a contrast of 4.5 or more (WCAG 2.2, 1.4.3), light and
// dark; shade0 to shade10 are tenths.
const char* const kHtmlStyle = R"css(:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1c2025; --quiet: #555c66; --line: #d4d9e0; --panel: #f6f8fa; --link: #0b5cad;
  --bar0: #0072b2;
  --bar1: #c47f00;
  --bar2: #008a64;
  --bar3: #b5568f;
  --bar4: #3a8fc0;
  --bar5: #c05000;
  --bar6: #7a7f87;
  --shade0: #f7fafd; --on0: #111;
  --shade1: #e2edf9; --on1: #111;
  --shade2: #cde0f4; --on2: #111;
  --shade3: #b7d4f0; --on3: #111;
  --shade4: #a2c7eb; --on4: #111;
  --shade5: #89b8e6; --on5: #111;
  --shade6: #70a8e1; --on6: #111;
  --shade7: #256bb1; --on7: #fff;
  --shade8: #215e9c; --on8: #fff;
  --shade9: #1d5287; --on9: #fff;
  --shade10: #17426d; --on10: #fff;
  --expert0: #c1dbf6;
  --expert1: #f6e0c1;
  --expert2: #c1f6db;
  --expert3: #f6c1e4;
  --expert4: #c1edf6;
  --expert5: #f6cec1;
  --expert6: #d7c1f6;
  --expert7: #dbf6c1;
  --expert8: #f6f2c1;
  --expert9: #f6c1c1;
  --expert10: #c1c5f6;
  --expert11: #c1f6ed;
}
@media screen and (prefers-color-scheme: dark) { :root {
  --page: #14171c; --text: #e8eaee; --quiet: #a6adb8; --line: #39404a; --panel: #1c2027; --link: #7fb8f2;
  --bar0: #4aa8e0;
  --bar1: #e69f00;
  --bar2: #2bb68c;
  --bar3: #d98fb9;
  --bar4: #7cc4ee;
  --bar5: #ee8040;
  --bar6: #9aa0a8;
  --shade0: #0c2137; --on0: #fff;
  --shade1: #0f2b48; --on1: #fff;
  --shade2: #133658; --on2: #fff;
  --shade3: #164069; --on3: #fff;
  --shade4: #1a4a7a; --on4: #fff;
  --shade5: #1d548b; --on5: #fff;
  --shade6: #2261a0; --on6: #fff;
  --shade7: #68a3df; --on7: #111;
  --shade8: #81b2e4; --on8: #111;
  --shade9: #9ec4ea; --on9: #111;
  --shade10: #c0d9f2; --on10: #111;
  --expert0: #264564;
  --expert1: #644a26;
  --expert2: #266445;
  --expert3: #64264f;
  --expert4: #265a64;
  --expert5: #643526;
  --expert6: #402664;
  --expert7: #456426;
  --expert8: #645f26;
  --expert9: #642626;
  --expert10: #262b64;
  --expert11: #26645a;
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: .5rem 0; }
h2 { font-size: 1.3rem; margin: 2rem 0 .25rem; overflow-wrap: anywhere; }
h3 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h4 { font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h5 { font-size: .9rem; margin: 0 0 .25rem; display: flex; justify-content: space-between; gap: .5rem;
  overflow-wrap: anywhere; }
p { margin: .25rem 0 .75rem; overflow-wrap: anywhere; }
a { color: var(--link); }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: .25rem .6rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; }
th { font-weight: 600; }
th[scope=row] { position: sticky; left: 0; background: var(--page); max-width: 14rem; overflow: hidden;
  text-overflow: ellipsis; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.meanings { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin: .75rem 0; font-size: .8rem;
  color: var(--quiet); }
.meanings div { display: flex; gap: .4rem; }
.meanings dt { font-weight: 600; white-space: nowrap; }
.meanings dd { margin: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1.5rem 2rem;
  align-items: start; }
figure { margin: 0 0 .5rem; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .4rem; overflow-wrap: anywhere; }
figcaption small { display: block; font-weight: 400; color: var(--quiet); }
.bars { list-style: none; margin: 0; padding: 0; }
.bars li { display: grid; grid-template-columns: minmax(5rem, 11rem) 1fr 3.6rem; gap: .6rem; align-items: center;
  margin: .15rem 0; font-size: .875rem; }
.bars .label { text-align: right; overflow-wrap: anywhere; line-height: 1.2; }
.bars svg { display: block; width: 100%; height: 1.25rem; background: var(--panel); }
.bars path { stroke: var(--text); stroke-width: 1.5; fill: none; vector-effect: non-scaling-stroke; }
.bar0 rect { fill: var(--bar0); }
.bar1 rect { fill: var(--bar1); }
.bar2 rect { fill: var(--bar2); }
.bar3 rect { fill: var(--bar3); }
.bar4 rect { fill: var(--bar4); }
.bar5 rect { fill: var(--bar5); }
.bar6 rect { fill: var(--bar6); }
.heat td { padding: .2rem .3rem; min-width: 2.1rem; text-align: right; font-variant-numeric: tabular-nums;
  border: 1px solid var(--page); font-size: .8rem; }
.heat th { border: 0; font-weight: 400; font-size: .8rem; }
.heat thead td { border: 0; }
.tall { padding: .3rem .2rem; }
.tall span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 11rem; overflow: hidden;
  text-overflow: ellipsis; }
.shade0 { background: var(--shade0); color: var(--on0); }
.shade1 { background: var(--shade1); color: var(--on1); }
.shade2 { background: var(--shade2); color: var(--on2); }
.shade3 { background: var(--shade3); color: var(--on3); }
.shade4 { background: var(--shade4); color: var(--on4); }
.shade5 { background: var(--shade5); color: var(--on5); }
.shade6 { background: var(--shade6); color: var(--on6); }
.shade7 { background: var(--shade7); color: var(--on7); }
.shade8 { background: var(--shade8); color: var(--on8); }
.shade9 { background: var(--shade9); color: var(--on9); }
.shade10 { background: var(--shade10); color: var(--on10); }
.expert0 { background: var(--expert0); }
.expert1 { background: var(--expert1); }
.expert2 { background: var(--expert2); }
.expert3 { background: var(--expert3); }
.expert4 { background: var(--expert4); }
.expert5 { background: var(--expert5); }
.expert6 { background: var(--expert6); }
.expert7 { background: var(--expert7); }
.expert8 { background: var(--expert8); }
.expert9 { background: var(--expert9); }
.expert10 { background: var(--expert10); }
.expert11 { background: var(--expert11); }
[class^=shade], [class*=" shade"], [class^=expert] { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.legend { list-style: none; margin: 0 0 1rem; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1rem;
  font-size: .875rem; }
.legend span { display: inline-block; min-width: 1.6rem; padding: 0 .3rem; text-align: center; border-radius: .2rem; }
article { border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; margin: 0 0 1rem;
  background: var(--panel); }
article dl { display: grid; grid-template-columns: 4rem 1fr; gap: .2rem .6rem; margin: 0 0 .75rem;
  font-size: .875rem; }
article dt { color: var(--quiet); }
article dd { margin: 0; max-height: 12rem; overflow: auto; }
.answers { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: .6rem; }
.answer { background: var(--page); border: 1px solid var(--line); border-radius: .3rem; padding: .5rem; min-width: 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; margin: 0; font-size: .875rem; }
.text em { color: var(--quiet); }
.tokens { font-size: .78rem; line-height: 1.6; margin-top: .4rem; max-height: 9rem; overflow: auto; }
.tokens span { border-radius: .2rem; padding: .05rem 0; }
.tokens sub { font-size: .65rem; padding: 0 .15rem; vertical-align: baseline; }
@media (max-width: 30rem) {
  .bars li { grid-template-columns: 7.2rem 1fr 3.3rem; }
  th[scope=row] { max-width: 8rem; }
}
@media print {
  html { font-size: 11px; }
  body { font-size: 11px; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  .scroll, article dd, .tokens { overflow: visible; max-height: none; }
  th, td { white-space: normal; padding: .1rem .25rem; }
  th[scope=row] { position: static; max-width: none; }
  figure, .answer, tr, .bars li { break-inside: avoid; }
  h2, h3, h4, figcaption { break-after: avoid; }
}
)css";

}  // namespace quiver
