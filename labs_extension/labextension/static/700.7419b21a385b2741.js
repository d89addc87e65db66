"use strict";(self.rspackChunkgpuspawner_labs=self.rspackChunkgpuspawner_labs||[]).push([[700],{646(e,r,p){var n=p(982),t=p.n(n),a=p(314),o=(p.n(a))()(t());o.push([e.id,`/* One calm column in JupyterLab's own colours, so that every theme fits. */

.jp-gpuspawner-panel {
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.45;
  overflow-y: auto;
  min-width: 240px;
  overflow-wrap: anywhere;
}

.jp-gpuspawner-panel > p {
  padding: 8px 12px 0;
}

.jp-gpuspawner-panel section {
  padding: 12px;
  border-bottom: var(--jp-border-width) solid var(--jp-border-color2);
}

.jp-gpuspawner-panel section:last-child {
  border-bottom: none;
}

.jp-gpuspawner-panel h2 {
  margin: 0 0 8px;
  font-size: var(--jp-ui-font-size0);
  font-weight: 600;
  letter-spacing: 0.1em;
  text-transform: uppercase;
  color: var(--jp-ui-font-color1);
}

.jp-gpuspawner-panel h3 {
  margin: 0 0 4px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.jp-gpuspawner-panel p {
  margin: 0 0 6px;
}

.jp-gpuspawner-panel a {
  color: var(--jp-content-link-color);
  text-decoration: underline;
}

.jp-gpuspawner-panel ul {
  margin: 8px 0 0;
  padding: 0;
  list-style: none;
}

.jp-gpuspawner-panel dl {
  display: grid;
  grid-template-columns: auto 1fr;
  gap: 4px 12px;
  margin: 0 0 8px;
}

.jp-gpuspawner-panel dt {
  color: var(--jp-ui-font-color1);
}

.jp-gpuspawner-panel dd {
  margin: 0;
  text-align: right;
}

.jp-gpuspawner-panel .jp-gpuspawner-lead {
  margin-bottom: 4px;
  font-size: var(--jp-ui-font-size3);
  line-height: 1.2;
}

.jp-gpuspawner-panel .jp-gpuspawner-note {
  font-size: var(--jp-ui-font-size0);
}

.jp-gpuspawner-attention {
  padding-left: 8px;
  border-left: 3px solid var(--jp-warn-color1);
}

.jp-gpuspawner-row {
  display: flex;
  justify-content: space-between;
  gap: 12px;
}

.jp-gpuspawner-row > :last-child {
  flex-shrink: 0;
  max-width: 75%;
  text-align: right;
  font-variant-numeric: tabular-nums;
}

.jp-gpuspawner-buttons {
  display: flex;
  flex-direction: column;
  gap: 8px;
}

.jp-gpuspawner-buttons p {
  margin: -4px 0 0;
}

.jp-gpuspawner-panel button.jp-mod-styled {
  margin: 0;
  padding: 0 8px;
  letter-spacing: normal;
  font-size: var(--jp-ui-font-size1);
}

.jp-gpuspawner-panel button.jp-mod-styled:disabled {
  opacity: 0.4;
}

.jp-gpuspawner-panel select.jp-mod-styled {
  box-sizing: border-box;
  height: 32px;
  padding: 0 4px;
  border: var(--jp-border-width) solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font-family: inherit;
  font-size: var(--jp-ui-font-size1);
}

.jp-gpuspawner-panel button.jp-mod-styled:focus-visible,
.jp-gpuspawner-panel select.jp-mod-styled:focus-visible,
.jp-gpuspawner-status button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-gpuspawner-inline {
  display: flex;
  align-items: center;
  gap: 8px;
  margin-bottom: 8px;
}

.jp-gpuspawner-inline > :first-child {
  flex: 1;
  min-width: 0;
}

.jp-gpuspawner-wide {
  width: 100%;
}

.jp-gpuspawner-device {
  margin-top: 12px;
}

.jp-gpuspawner-plots {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(108px, 1fr));
  gap: 8px;
  margin-bottom: 8px;
}

.jp-gpuspawner-plot {
  margin: 0;
  padding: 6px 8px;
  border: var(--jp-border-width) solid var(--jp-border-color2);
  border-radius: var(--jp-border-radius);
}

.jp-gpuspawner-plot figcaption {
  display: flex;
  flex-direction: column;
  font-size: var(--jp-ui-font-size0);
}

.jp-gpuspawner-plot strong {
  font-size: var(--jp-ui-font-size2);
  font-weight: 500;
  font-variant-numeric: tabular-nums;
}

.jp-gpuspawner-plot svg {
  display: block;
  width: 100%;
  height: 32px;
  margin-top: 4px;
}

.jp-gpuspawner-line {
  fill: none;
  stroke: var(--jp-brand-color1);
  stroke-width: 1.5px;
}

.jp-gpuspawner-area {
  fill: var(--jp-brand-color1);
  opacity: 0.15;
}

.jp-gpuspawner-bar {
  height: 4px;
  margin: 2px 0 6px;
  border-radius: 2px;
  background: var(--jp-border-color2);
  overflow: hidden;
}

.jp-gpuspawner-bar > div {
  height: 100%;
  background: var(--jp-brand-color1);
}

.jp-gpuspawner-bar.jp-mod-quiet > div {
  background: var(--jp-ui-font-color2);
}

.jp-gpuspawner-bar:has(> span) {
  position: relative;
  overflow: visible;
}

.jp-gpuspawner-bar > span {
  position: absolute;
  top: -3px;
  width: 2px;
  height: 10px;
  margin-left: -1px;
  background: var(--jp-ui-font-color0);
}

.jp-gpuspawner-results > li {
  margin-top: 12px;
}

.jp-gpuspawner-results p {
  margin: 0;
}

.jp-gpuspawner-results .jp-gpuspawner-bar + .jp-gpuspawner-note {
  margin-bottom: 6px;
}

.jp-gpuspawner-wide + .jp-gpuspawner-note {
  margin-top: 6px;
}

.jp-gpuspawner-status button {
  height: 100%;
  padding: 0 6px;
  border: none;
  background: none;
  color: inherit;
  font: inherit;
  white-space: nowrap;
  cursor: pointer;
}

.jp-gpuspawner-status button:hover {
  background: var(--jp-layout-color3);
}

.jp-gpuspawner-status button.jp-mod-warn {
  font-weight: 600;
}

.jp-gpuspawner-panel summary {
  cursor: pointer;
  font-weight: 600;
}

.jp-gpuspawner-panel details {
  margin-bottom: 8px;
}

.jp-gpuspawner-panel .jp-gpuspawner-files {
  margin: 4px 0 0;
}

.jp-gpuspawner-files li {
  margin-bottom: 4px;
}

.jp-gpuspawner-files li p {
  margin: 0 0 4px 12px;
}

.jp-gpuspawner-panel .jp-gpuspawner-link {
  padding: 0;
  border: 0;
  background: none;
  color: var(--jp-content-link-color);
  font: inherit;
  text-align: left;
  text-decoration: underline;
  cursor: pointer;
}
`,""]),p.d(r,{},{A:o})},314(e){e.exports=function(e){var r=[];return r.toString=function(){return this.map(function(r){var p="",n=void 0!==r[5];return r[4]&&(p+="@supports (".concat(r[4],") {")),r[2]&&(p+="@media ".concat(r[2]," {")),n&&(p+="@layer".concat(r[5].length>0?" ".concat(r[5]):""," {")),p+=e(r),n&&(p+="}"),r[2]&&(p+="}"),r[4]&&(p+="}"),p}).join("")},r.i=function(e,p,n,t,a){"string"==typeof e&&(e=[[null,e,void 0]]);var o={};if(n)for(var i=0;i<this.length;i++){var s=this[i][0];null!=s&&(o[s]=!0)}for(var u=0;u<e.length;u++){var l=[].concat(e[u]);n&&o[l[0]]||(void 0!==a&&(void 0===l[5]||(l[1]="@layer".concat(l[5].length>0?" ".concat(l[5]):""," {").concat(l[1],"}")),l[5]=a),p&&(l[2]&&(l[1]="@media ".concat(l[2]," {").concat(l[1],"}")),l[2]=p),t&&(l[4]?(l[1]="@supports (".concat(l[4],") {").concat(l[1],"}"),l[4]=t):l[4]="".concat(t)),r.push(l))}},r}},982(e){e.exports=function(e){return e[1]}},72(e){var r=[];function p(e){for(var p=-1,n=0;n<r.length;n++)if(r[n].identifier===e){p=n;break}return p}function n(e,n){for(var t={},a=[],o=0;o<e.length;o++){var i=e[o],s=n.base?i[0]+n.base:i[0],u=t[s]||0,l="".concat(s," ").concat(u);t[s]=u+1;var c=p(l),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==c)r[c].references++,r[c].updater(d);else{var g=function(e,r){var p=r.domAPI(r);return p.update(e),function(r){r?(r.css!==e.css||r.media!==e.media||r.sourceMap!==e.sourceMap||r.supports!==e.supports||r.layer!==e.layer)&&p.update(e=r):p.remove()}}(d,n);n.byIndex=o,r.splice(o,0,{identifier:l,updater:g,references:1})}a.push(l)}return a}e.exports=function(e,t){var a=n(e=e||[],t=t||{});return function(e){e=e||[];for(var o=0;o<a.length;o++){var i=p(a[o]);r[i].references--}for(var s=n(e,t),u=0;u<a.length;u++){var l=p(a[u]);0===r[l].references&&(r[l].updater(),r.splice(l,1))}a=s}}},659(e){var r={};e.exports=function(e,p){var n=function(e){if(void 0===r[e]){var p=document.querySelector(e);if(window.HTMLIFrameElement&&p instanceof window.HTMLIFrameElement)try{p=p.contentDocument.head}catch(e){p=null}r[e]=p}return r[e]}(e);if(!n)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");n.appendChild(p)}},540(e){e.exports=function(e){var r=document.createElement("style");return e.setAttributes(r,e.attributes),e.insert(r,e.options),r}},56(e,r,p){e.exports=function(e){var r=p.nc;r&&e.setAttribute("nonce",r)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var r=e.insertStyleElement(e);return{update:function(p){var n,t,a;n="",p.supports&&(n+="@supports (".concat(p.supports,") {")),p.media&&(n+="@media ".concat(p.media," {")),(t=void 0!==p.layer)&&(n+="@layer".concat(p.layer.length>0?" ".concat(p.layer):""," {")),n+=p.css,t&&(n+="}"),p.media&&(n+="}"),p.supports&&(n+="}"),(a=p.sourceMap)&&"u">typeof btoa&&(n+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(n,r,e.options)},remove:function(){var e;null===(e=r).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,r){if(r.styleSheet)r.styleSheet.cssText=e;else{for(;r.firstChild;)r.removeChild(r.firstChild);r.appendChild(document.createTextNode(e))}}},959(e,r,p){var n=p(72),t=p.n(n),a=p(825),o=p.n(a),i=p(659),s=p.n(i),u=p(56),l=p.n(u),c=p(540),d=p.n(c),g=p(113),f=p.n(g),j=p(646),w={};w.styleTagTransform=f(),w.setAttributes=l(),w.insert=s().bind(null,"head"),w.domAPI=o(),w.insertStyleElement=d(),t()(j.A,w),j.A&&j.A.locals&&j.A.locals}}]);