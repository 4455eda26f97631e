import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { visibleInTerminal } from "../src/ui/visible-text";
import { InputQueue } from "../src/workbench/input-queue";
import { acceptChunk, parseChunk } from "../src/workbench/output-chunks";
import { PortFinder } from "../src/workbench/port-finder";

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("what a terminal prints", () => {
  test("however it is cut, doubled and resumed, each byte that is kept is shown once and in order", () => {
    const cuts = fc.array(fc.tuple(fc.nat(300), fc.nat(80)), { maxLength: 40 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (whole, pieces) => {
        let stand = 0;
        const shown: number[] = [];
        for (const [at, length] of pieces.filter(([from]) => from <= whole.length)) {
          const news = acceptChunk(stand, { position: at, bytes: whole.slice(at, at + length) });
          expect(news.lostBytes).toBe(Math.max(0, at - stand));
          for (let gone = 0; gone < news.lostBytes; gone += 1) shown.push(-1);
          shown.push(...news.bytes);
          stand = news.position;
        }
        expect(shown.length).toBe(stand);
        shown.forEach((byte, at) => {
          if (byte !== -1) expect(byte).toBe(whole[at]);
        });
      }),
    );
  });

  test("an event says where its bytes belong", () => {
    expect(parseChunk('{"at": 7, "data": "AP/i"}')).toEqual({
      position: 7,
      bytes: bytes(0, 255, 226),
    });
  });

  test("no character reorders a line", () => {
    expect(visibleInTerminal("a\u202eb\u2066c\u200f")).toBe("a⟨U+202E⟩b⟨U+2066⟩c⟨U+200F⟩");
    expect(visibleInTerminal("héllo – 世界 ⚠️\u001b[31m")).toBe("héllo – 世界 ⚠️\u001b[31m");
  });
});

describe("what is typed", () => {
  test("goes one request at a time, in order, and what is typed meanwhile goes together", async () => {
    const sent: string[] = [];
    const answers: (() => void)[] = [];
    const queue = new InputQueue(
      (keys) => {
        sent.push(keys);
        return new Promise((resolve) => answers.push(resolve));
      },
      () => undefined,
    );
    for (const key of "echo") queue.type(key);
    expect(sent).toEqual(["e"]);
    answers.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
    expect(sent).toEqual(["e", "cho"]);
  });

  test("arrives whole when it is long, and no character is torn", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", minLength: 1, maxLength: 50 }), async (text) => {
        const long = text.repeat(Math.ceil(40_000 / text.length));
        const sent: string[] = [];
        await new Promise<void>((resolve, reject) => {
          const queue = new InputQueue(async (keys) => {
            sent.push(keys);
            if (sent.join("").length === long.length) resolve();
          }, reject);
          queue.type(long);
        });
        expect(sent.join("")).toBe(long);
        expect(sent.some((keys) => /[\ud800-\udbff]$/.test(keys))).toBe(false);
      }),
    );
  });

  test("and does not arrive is told, and neither it nor what waits behind it comes later", async () => {
    const sent: string[] = [];
    const lost: unknown[] = [];
    let refuse: (error: Error) => void = () => undefined;
    const queue = new InputQueue(
      (keys) => {
        sent.push(keys);
        return new Promise((_, reject) => {
          refuse = reject;
        });
      },
      (error) => lost.push(error),
    );
    queue.type("rm -rf ");
    queue.type("./build\r");
    refuse(new Error("no answer"));
    await new Promise((resolve) => setTimeout(resolve));
    queue.type("ls\r");
    expect(sent).toEqual(["rm -rf ", "ls\r"]);
    expect(lost).toHaveLength(1);
  });
});

describe("a port", () => {
  test("is found as development servers announce it, in colours and however it is cut", () => {
    const output =
      "  ➜  Local:   \u001b[36mhttp://localhost:\u001b[1m5173\u001b[22m/\u001b[39m\r\n";
    for (let cut = 0; cut <= output.length; cut += 1) {
      const finder = new PortFinder();
      expect([finder.find(output.slice(0, cut)), finder.find(output.slice(cut))].flat()).toContain(
        5173,
      );
    }
  });

  test("of another host, or beyond what there is, is none", () => {
    const output =
      "http://example.com:80/ http://localhost:99999/ http://[::1]:3000/ http://127.0.0.1:8000\n";
    expect(new PortFinder().find(output)).toEqual([3000, 8000]);
  });

  test("is not known before its last digit", () => {
    const finder = new PortFinder();
    expect(finder.find("http://localhost:51")).toEqual([]);
    expect(finder.find("73/")).toEqual([5173]);
  });
});
