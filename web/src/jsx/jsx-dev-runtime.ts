/** The runtime of `jsx-runtime.ts` for development and tests. */
import { jsxDEV as reactJsxDev } from "react/jsx-dev-runtime";
import { visibleProps } from "./visible-props";

export { Fragment, type JSX } from "react/jsx-dev-runtime";

export const jsxDEV: typeof reactJsxDev = (type, props, ...rest) =>
  reactJsxDev(type, visibleProps(type, props), ...rest);
