/** All routes of the page. The code of a view is loaded when it is first shown. */
import type { ComponentType, LazyExoticComponent } from "react";
import { lazyComponent } from "./lazy-component";
import type { PathParams } from "./router";

export type PageComponent = ComponentType<{ params: PathParams }>;

interface PageRoute {
  readonly path: string;
  /** Title of the tab; null where the view sets its own. */
  readonly title: string | null;
  readonly component: LazyExoticComponent<PageComponent>;
}

export const ROUTES: readonly PageRoute[] = [
  {
    path: "/",
    title: null,
    component: lazyComponent(() => import("../home/home-page").then((m) => m.HomePage)),
  },
  {
    path: "/runs/:id",
    title: null,
    component: lazyComponent(() => import("../run/run-page").then((m) => m.RunPage)),
  },
  {
    path: "/runs/:id/compare",
    title: null,
    component: lazyComponent(() => import("../compare/compare-page").then((m) => m.ComparePage)),
  },
  {
    path: "/runs/:id/record",
    title: null,
    component: lazyComponent(() => import("../decide/record-page").then((m) => m.RecordPage)),
  },
  {
    path: "/agents",
    title: "Agents",
    component: lazyComponent(() => import("../pages/agents-page").then((m) => m.AgentsPage)),
  },
  {
    path: "/stats",
    title: "Statistics",
    component: lazyComponent(() => import("../pages/stats-page").then((m) => m.StatsPage)),
  },
  {
    path: "/doctor",
    title: "Doctor",
    component: lazyComponent(() => import("../pages/doctor-page").then((m) => m.DoctorPage)),
  },
  {
    path: "/settings",
    title: "Settings",
    component: lazyComponent(() => import("../pages/settings-page").then((m) => m.SettingsPage)),
  },
  {
    path: "/login",
    title: "Log in",
    component: lazyComponent(() => import("../login/login-page").then((m) => m.LoginPage)),
  },
];

/** Links of the navigation bar. */
export const NAVIGATION: readonly { readonly href: string; readonly label: string }[] = [
  { href: "/", label: "Runs" },
  { href: "/agents", label: "Agents" },
  { href: "/stats", label: "Statistics" },
  { href: "/doctor", label: "Doctor" },
  { href: "/settings", label: "Settings" },
];
