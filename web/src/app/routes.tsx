/** Every address of the page. A view is loaded when it is first looked at. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react";
import type { Params } from "./router";

export type Page = ComponentType<{ params: Params }>;

interface Route {
  readonly path: string;
  readonly title: string;
  readonly page: LazyExoticComponent<Page>;
}

export const ROUTES: readonly Route[] = [
  { path: "/", title: "Runs", page: lazy(() => import("../home/home").then((m) => ({ default: m.Home }))) },
  {
    path: "/runs/:id",
    title: "Run",
    page: lazy(() => import("../run/run").then((m) => ({ default: m.RunPage }))),
  },
  {
    path: "/runs/:id/compare",
    title: "Compare",
    page: lazy(() => import("../compare/compare").then((m) => ({ default: m.ComparePage }))),
  },
  {
    path: "/runs/:id/record",
    title: "Decision",
    page: lazy(() => import("../decide/record").then((m) => ({ default: m.RecordPage }))),
  },
  {
    path: "/agents",
    title: "Agents",
    page: lazy(() => import("../pages/agents").then((m) => ({ default: m.AgentsPage }))),
  },
  {
    path: "/stats",
    title: "Statistics",
    page: lazy(() => import("../pages/stats").then((m) => ({ default: m.StatsPage }))),
  },
  {
    path: "/doctor",
    title: "Doctor",
    page: lazy(() => import("../pages/doctor").then((m) => ({ default: m.DoctorPage }))),
  },
  {
    path: "/settings",
    title: "Settings",
    page: lazy(() => import("../pages/settings").then((m) => ({ default: m.SettingsPage }))),
  },
  {
    path: "/login",
    title: "Log in",
    page: lazy(() => import("../login/login").then((m) => ({ default: m.Login }))),
  },
];

/** What the bar on top leads to. */
export const NAVIGATION: readonly { readonly href: string; readonly label: string }[] = [
  { href: "/", label: "Runs" },
  { href: "/agents", label: "Agents" },
  { href: "/stats", label: "Statistics" },
  { href: "/doctor", label: "Doctor" },
  { href: "/settings", label: "Settings" },
];
