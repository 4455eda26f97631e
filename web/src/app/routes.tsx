/** Every address of the page. A view is loaded when it is first looked at. */
import type { ComponentType, LazyExoticComponent } from "react";
import { lazily } from "./lazily";
import type { Params } from "./router";

export type Page = ComponentType<{ params: Params }>;

interface Route {
  readonly path: string;
  readonly title: string;
  readonly page: LazyExoticComponent<Page>;
}

export const ROUTES: readonly Route[] = [
  { path: "/", title: "Runs", page: lazily(() => import("../home/home").then((m) => m.Home)) },
  {
    path: "/runs/:id",
    title: "Run",
    page: lazily(() => import("../run/run").then((m) => m.RunPage)),
  },
  {
    path: "/runs/:id/compare",
    title: "Compare",
    page: lazily(() => import("../compare/compare").then((m) => m.ComparePage)),
  },
  {
    path: "/runs/:id/record",
    title: "Decision",
    page: lazily(() => import("../decide/record").then((m) => m.RecordPage)),
  },
  {
    path: "/agents",
    title: "Agents",
    page: lazily(() => import("../pages/agents").then((m) => m.AgentsPage)),
  },
  {
    path: "/stats",
    title: "Statistics",
    page: lazily(() => import("../pages/stats").then((m) => m.StatsPage)),
  },
  {
    path: "/doctor",
    title: "Doctor",
    page: lazily(() => import("../pages/doctor").then((m) => m.DoctorPage)),
  },
  {
    path: "/settings",
    title: "Settings",
    page: lazily(() => import("../pages/settings").then((m) => m.SettingsPage)),
  },
  {
    path: "/login",
    title: "Log in",
    page: lazily(() => import("../login/login").then((m) => m.Login)),
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
