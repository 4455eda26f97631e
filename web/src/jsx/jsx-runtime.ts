/**
 * React's JSX runtime, which also spells out the invisible characters of every text: no view can
 * forget to. The compiler calls it for each element (`jsxImportSource` in `tsconfig.json` and
 * `vite.config.ts`).
 */
import { Fragment, jsx as reactJsx, jsxs as reactJsxs } from "react/jsx-runtime";
import { visibleProps } from "./visible-props";

export type { JSX } from "react/jsx-runtime";
export { Fragment };

export const jsx: typeof reactJsx = (type, props, key) =>
  reactJsx(type, visibleProps(type, props), key);

export const jsxs: typeof reactJsxs = (type, props, key) =>
  reactJsxs(type, visibleProps(type, props), key);
