"use strict";(self.rspackChunkgpuspawner_labs=self.rspackChunkgpuspawner_labs||[]).push([[700],{646(e,r,n){var p=n(982),t=n.n(p),a=n(314),o=(n.n(a))()(t());o.push([e.id,`/* One calm column in JupyterLab's own colours, so that every theme fits. */

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

.jp-gpuspawner-results > li {
  margin-top: 12px;
}

.jp-gpuspawner-results p {
  margin: 0;
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
`,""]),n.d(r,{},{A:o})},314(e){e.exports=function(e){var r=[];return r.toString=function(){return this.map(function(r){var n="",p=void 0!==r[5];return r[4]&&(n+="@supports (".concat(r[4],") {")),r[2]&&(n+="@media ".concat(r[2]," {")),p&&(n+="@layer".concat(r[5].length>0?" ".concat(r[5]):""," {")),n+=e(r),p&&(n+="}"),r[2]&&(n+="}"),r[4]&&(n+="}"),n}).join("")},r.i=function(e,n,p,t,a){"string"==typeof e&&(e=[[null,e,void 0]]);var o={};if(p)for(var i=0;i<this.length;i++){var s=this[i][0];null!=s&&(o[s]=!0)}for(var l=0;l<e.length;l++){var u=[].concat(e[l]);p&&o[u[0]]||(void 0!==a&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=a),n&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=n),t&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=t):u[4]="".concat(t)),r.push(u))}},r}},982(e){e.exports=function(e){return e[1]}},72(e){var r=[];function n(e){for(var n=-1,p=0;p<r.length;p++)if(r[p].identifier===e){n=p;break}return n}function p(e,p){for(var t={},a=[],o=0;o<e.length;o++){var i=e[o],s=p.base?i[0]+p.base:i[0],l=t[s]||0,u="".concat(s," ").concat(l);t[s]=l+1;var c=n(u),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==c)r[c].references++,r[c].updater(d);else{var g=function(e,r){var n=r.domAPI(r);return n.update(e),function(r){r?(r.css!==e.css||r.media!==e.media||r.sourceMap!==e.sourceMap||r.supports!==e.supports||r.layer!==e.layer)&&n.update(e=r):n.remove()}}(d,p);p.byIndex=o,r.splice(o,0,{identifier:u,updater:g,references:1})}a.push(u)}return a}e.exports=function(e,t){var a=p(e=e||[],t=t||{});return function(e){e=e||[];for(var o=0;o<a.length;o++){var i=n(a[o]);r[i].references--}for(var s=p(e,t),l=0;l<a.length;l++){var u=n(a[l]);0===r[u].references&&(r[u].updater(),r.splice(u,1))}a=s}}},659(e){var r={};e.exports=function(e,n){var p=function(e){if(void 0===r[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}r[e]=n}return r[e]}(e);if(!p)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");p.appendChild(n)}},540(e){e.exports=function(e){var r=document.createElement("style");return e.setAttributes(r,e.attributes),e.insert(r,e.options),r}},56(e,r,n){e.exports=function(e){var r=n.nc;r&&e.setAttribute("nonce",r)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var r=e.insertStyleElement(e);return{update:function(n){var p,t,a;p="",n.supports&&(p+="@supports (".concat(n.supports,") {")),n.media&&(p+="@media ".concat(n.media," {")),(t=void 0!==n.layer)&&(p+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),p+=n.css,t&&(p+="}"),n.media&&(p+="}"),n.supports&&(p+="}"),(a=n.sourceMap)&&"u">typeof btoa&&(p+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(p,r,e.options)},remove:function(){var e;null===(e=r).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,r){if(r.styleSheet)r.styleSheet.cssText=e;else{for(;r.firstChild;)r.removeChild(r.firstChild);r.appendChild(document.createTextNode(e))}}},959(e,r,n){var p=n(72),t=n.n(p),a=n(825),o=n.n(a),i=n(659),s=n.n(i),l=n(56),u=n.n(l),c=n(540),d=n.n(c),g=n(113),f=n.n(g),j=n(646),m={};m.styleTagTransform=f(),m.setAttributes=u(),m.insert=s().bind(null,"head"),m.domAPI=o(),m.insertStyleElement=d(),t()(j.A,m),j.A&&j.A.locals&&j.A.locals}}]);