// The three journeys of integrators with the client that openapi-typescript and openapi-fetch make.
// It is compiled strictly, so that a field that the contract does not know is an error.
import createClient from "openapi-fetch";

import type { components, paths } from "./contract.js";

// Tables are asked for as text; of what else is answered, the type is that of the JSON.
type Json = "application/json" | "application/problem+json";

declare const process: { argv: string[] };
const [, , baseUrl = "", key = "", edition = ""] = process.argv;
const portal = createClient<paths, Json>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const citizen = createClient<paths, Json>({ baseUrl });

const agency = "H00.01";
const now = new Date();
const day = now.toISOString().slice(2, 10).replaceAll("-", "");

function same(found: unknown, expected: unknown): void {
  const [left, right] = [found, expected].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`${left} is not ${right}`);
}

async function returned(number: number): Promise<components["schemas"]["InvitationOut"]> {
  const dossier = `000.00.01.H00-${day}-${number}`;
  const registered = await portal.PUT("/v1/agencies/{agency}/dossiers/{dossier}", {
    params: { path: { agency, dossier } },
    body: {
      procedure: "1.000001",
      channel: "online",
      received_at: now.toISOString(),
      due_at: new Date(now.getTime() + 86_400_000).toISOString(),
    },
  });
  same(registered.data?.on_time, null);
  for (const type of ["accepted", "result_returned"] as const) {
    const event = await portal.POST("/v1/agencies/{agency}/dossiers/{dossier}/events", {
      params: { path: { agency, dossier }, header: { "Idempotency-Key": `${dossier}-${type}` } },
      body: { type, at: now.toISOString() },
    });
    same(event.response.status, 201);
    if (type === "result_returned") {
      if (event.data?.invitation) return event.data.invitation;
    }
  }
  throw new Error("who got the result is not invited");
}

async function aCitizenRates(): Promise<void> {
  const { token } = await returned(52001);
  const page = await citizen.GET("/r/{token}", {
    params: { path: { token } },
    headers: { Accept: "application/json" },
  });
  same(page.error, undefined);
  const answers = Object.fromEntries(
    page.data!.questionnaire.criteria
      .flatMap(({ questions }) => questions)
      .map(({ code, options }) => [code, options[0]!.code]),
  );
  const rating: components["schemas"]["RatingIn"] = {
    id: crypto.randomUUID(),
    invitation: token,
    channel: "mobile",
    answers,
  };
  const first = await citizen.POST("/v1/ratings", { body: rating });
  const again = await citizen.POST("/v1/ratings", { body: rating });
  same(first.data?.basis, "dossier");
  same(again.data, first.data);
  same(again.response.headers.get("Idempotent-Replayed"), "true");
  const second = { ...rating, id: crypto.randomUUID() };
  const other = await citizen.POST("/v1/ratings", { body: second });
  same(other.error?.code, "invitation-used");
  const batch = await portal.POST("/v1/ratings/batch", { body: { ratings: [second] } });
  same(batch.data?.outcomes[0]?.problem?.status, 410);
}

async function aReaderFollowsTheRanking(): Promise<void> {
  const listed = await citizen.GET("/v1/editions");
  same(listed.data?.items.some(({ code }) => code === edition), true);
  const path = { edition, criterion: "overall" };
  const ranking = await citizen.GET("/v1/editions/{edition}/rankings/{criterion}", {
    params: { path },
  });
  const places = ranking.data!.rows.map(({ rank, agency: { code } }) => [rank, code]);
  same(places.length > 1, true);
  const held = ranking.response.headers.get("ETag")!;
  const unchanged = await citizen.GET("/v1/editions/{edition}/rankings/{criterion}", {
    params: { path, header: { "If-None-Match": held } },
  });
  same(unchanged.response.status, 304);
  const table = await citizen.GET("/v1/editions/{edition}/rankings/{criterion}", {
    params: { path },
    headers: { Accept: "text/csv" },
    parseAs: "text",
  });
  same(String(table.data).trim().split("\n").length, places.length + 1);
  const missing = await citizen.GET("/v1/editions/{edition}", {
    params: { path: { edition: "none" } },
  });
  same(missing.error?.code, "edition-not-found");
}

await aCitizenRates();
await aReaderFollowsTheRanking();
console.log("all journeys done");
