/**
 * Values that the flags of several experiments take: what `--help` and errors
 * call them, and their pattern.
 *
 * @module
 */

export const WHOLE_NUMBER = { takes: "a whole number", pattern: /^\d{1,9}$/ };
export const FRACTION = {
  takes: "a number from 0 to 1",
  pattern: /^(0|1|0?\.\d+)$/,
};
export const MILLISECONDS = {
  takes: "milliseconds, such as -2500",
  pattern: /^-?\d{1,12}(\.\d+)?$/,
};
export const PORT = {
  takes: "1 to 65535",
  pattern:
    /^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/,
};
export const UP_TO_999 = { takes: "1 to 999", pattern: /^[1-9]\d{0,2}$/ };
const FILE_PATH = { takes: "a path", pattern: /^[^\0]+$/ };
/** Those of an experiment that sends files. */
export const FILE_FLAGS = {
  root: {
    ...FILE_PATH,
    value: "DIR",
    help: "serve the files below this folder",
  },
  name: {
    value: "NAME",
    takes: "the name of a file",
    pattern: /^[^\n]+$/,
    help: "ask for this file (notes.txt)",
  },
  save: {
    ...FILE_PATH,
    value: "FILE",
    help: "keep it as this file, if it is whole",
  },
};
/** Those of a client of DNS. A name may have `_`, as those of services do. */
export const DNS_FLAGS = {
  name: {
    takes: "a name, such as www.lab.test",
    pattern: /^(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*$/,
    help: "ask for this name (a.lab.test)",
  },
  type: {
    takes: "A, AAAA, ANY, CNAME, MX, NS, PTR, SOA or TXT",
    pattern: /^(A|AAAA|ANY|CNAME|MX|NS|PTR|SOA|TXT)$/,
    help: "ask for records of this type (A)",
  },
};
