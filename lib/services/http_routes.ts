/**
 * Answers requests by their path and method, and says in one line what is wrong.
 *
 * @module
 */
import type { HttpRequest } from "../protocols/http.ts";
import { HttpFault } from "../protocols/http_lines.ts";
import { type Answer, textAnswer } from "./http_answer.ts";
import type { Answering } from "./http_serve.ts";

/** What each method of a path does; it may throw an HttpFault. */
export type Methods = Record<
  string,
  (request: HttpRequest) => Answer | Promise<Answer>
>;

/**
 * Makes the function that answers requests, all with these fields. `methodsFor`
 * throws an HttpFault for a request that must not be answered. Any other error is
 * printed, and the answer is 500.
 */
export function answering(
  methodsFor: (request: HttpRequest) => Methods,
  fields: Readonly<Record<string, string>>,
): Answering {
  async function answer(request: HttpRequest): Promise<Answer> {
    const methods = methodsFor(request);
    const { method } = request;
    if (Object.hasOwn(methods, method)) return await methods[method](request);
    const Allow = Object.keys(methods).join(", ");
    return textAnswer(405, `the method is ${Allow}`, { Allow });
  }
  return async (request) => {
    const answered = await answer(request).catch(refused);
    return { ...answered, fields: { ...answered.fields, ...fields } };
  };
}

function refused(error: unknown): Answer {
  if (error instanceof HttpFault) {
    return textAnswer(error.status, error.message);
  }
  console.error(error);
  return textAnswer(500, "a fault of the server");
}
