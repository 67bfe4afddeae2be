/**
 * JSON in requests and answers of HTTP.
 *
 * @module
 */
import type { HttpRequest } from "../protocols/http.ts";
import { HttpFault } from "../protocols/http_lines.ts";
import type { Answer } from "./http_answer.ts";

/**
 * What a request brings as JSON: an object. Throws an HttpFault: 400, and 415 for
 * another type, since a form of a foreign page cannot have this one.
 */
export function objectIn({ fields, body }: HttpRequest): JsonObject {
  if (!/^application\/json *(;|$)/i.test(fields.get("content-type") ?? "")) {
    throw new HttpFault(415, "application/json is wanted");
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    const value = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // no JSON
  }
  throw new HttpFault(400, "a JSON object is wanted");
}

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An answer of this type. */
export function answerOf(type: string, body: string): Answer {
  const fields = { "Content-Type": type };
  return { status: 200, fields, body: new TextEncoder().encode(body) };
}

/** An answer in JSON. */
export function jsonAnswer(value: unknown): Answer {
  return answerOf("application/json", JSON.stringify(value));
}
