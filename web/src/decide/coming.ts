/** Routes that the branch `keep` brings. This file goes when the generated types hold them. */
export {};

interface Wish {
  branch?: string;
  title?: string;
  pull_request?: boolean;
  draft?: boolean;
  workflows?: boolean;
}

declare module "../api/schema.gen" {
  interface Rate {
    count: number;
    of: number;
    share: number | null;
    low: number;
    high: number;
  }
  interface Tally {
    name: string;
    wins: Rate;
    by_chance: number | null;
    cost_usd: number | null;
    cost_per_win_usd: number | null;
  }
  interface Stats {
    runs: number;
    decided: number;
    published: number;
    agents: readonly Tally[];
    models: readonly Tally[];
    strategies: readonly Tally[];
    followed: Rate;
    cost_usd: number | null;
    cost_per_decision_usd: number | null;
    decision_seconds: number | null;
  }
  interface Routes {
    "GET /stats": { path: undefined; query: undefined; body: undefined; answer: Stats };
    "POST /runs/{run_id}/publish": {
      path: { run_id: string };
      query: undefined;
      body: Wish;
      answer: Publication;
    };
    "POST /runs/{run_id}/compose": {
      path: { run_id: string };
      query: undefined;
      body: { parts: readonly Part[] };
      answer: RunDetails;
    };
    "POST /runs/{run_id}/variations/{number}/clear": {
      path: { run_id: string; number: number };
      query: undefined;
      body: { reason: string };
      answer: RunDetails;
    };
    "POST /runs/{run_id}/deselect": {
      path: { run_id: string };
      query: undefined;
      body: undefined;
      answer: RunDetails;
    };
  }
}
