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
  interface Routes {
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
