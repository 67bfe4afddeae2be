/**
 * What clients of FTP may say on the control connection, and what a server has to
 * reply: honest sessions, commands that are wrong, names that lead elsewhere, and
 * addresses to which it must not connect.
 */

/** A session as the client sends it: bytes as latin1. */
export interface FtpCase {
  readonly name: string;
  readonly say: string;
  /** The codes of the replies behind the greeting. */
  readonly codes: string;
  /** What is in the text of the replies. */
  readonly hear?: RegExp;
}

const LOGIN = "USER lab\r\nPASS lab\r\n";
const QUIT = "QUIT\r\n";

/** Commands of lab, and the codes of their replies. */
const lab = (say: string, codes: string, hear?: RegExp): FtpCase => ({
  name: JSON.stringify(say.slice(0, 60)),
  say: `${LOGIN}${say}\r\n${QUIT}`,
  codes: `331 230 ${codes} 221`,
  ...(hear ? { hear } : {}),
});
/** Commands of nobody or of another user. */
const whole = (say: string, codes: string, hear?: RegExp): FtpCase => ({
  name: JSON.stringify(say.slice(0, 60)),
  say,
  codes,
  ...(hear ? { hear } : {}),
});

/** Names that lead out of the tree in other programs: each is a name within. */
const OUTSIDE = [
  ...["..", "../..", "/..", "/../../etc/passwd", "../../../../etc/passwd"],
  ...["....//....//etc/passwd", "./../etc/passwd", "%2e%2e/etc/passwd"],
  ...["..\\..\\etc\\passwd", "/etc/passwd", "//etc/passwd", "~root", "C:\\x"],
  ...["..;/etc/passwd", "\xc0\xae\xc0\xae/etc/passwd", "__proto__"],
];

/** Arguments of PORT and EPRT to which no server may connect. */
const FOREIGN = [
  ...["PORT 192,0,2,1,195,80", "PORT 10,0,0,1,195,80", "PORT 0,0,0,0,195,80"],
  ...["PORT 127,0,0,2,195,80", "PORT 127,0,0,1,0,22", "PORT 127,0,0,1,3,255"],
  ...["EPRT |1|192.0.2.1|50000|", "EPRT |1|127.0.0.2|50000|"],
  ...[
    "EPRT |1|127.0.0.1|22|",
    "EPRT |1|127.0.0.1|1023|",
    "EPRT |1|127.1|5000|",
  ],
  ...["EPRT |1|0177.0.0.1|5000|", "EPRT |1|127.0.0.01|5000|"],
  ...["EPRT |1|::ffff:127.0.0.1|5000|", "EPRT |1|::ffff:192.0.2.1|5000|"],
];

/** No address at all. */
const MALFORMED = [
  ...["PORT 127,0,0,1", "PORT 127,0,0,1,4", "PORT 127,0,0,1,4,0,0", "PORT x"],
  ...["PORT 127,0,0,1,256,1", "PORT 256,0,0,1,4,1", "PORT 127,0,0,1,0,0"],
  ...["PORT 127.0.0.1.4.1", "PORT 127,0,0,1,-4,1", "PORT 127, 0,0,1,4,1"],
  ...["EPRT 127.0.0.1", "EPRT |1|127.0.0.1|0|", "EPRT |1|127.0.0.1|65536|"],
  ...["EPRT |1|127.0.0.1|5000", "EPRT |1|127.0.0.1|5000|x", "EPRT |1||5000|"],
  ...["EPRT |1/127.0.0.1/5000|", "EPRT ||127.0.0.1|5000|"],
];

export const FTP_CASES: readonly FtpCase[] = [
  whole("", ""),
  whole(QUIT, "221"),
  whole(`quit\r\n`, "221"),
  whole("NOOP\nQUIT\n", "200 221"),
  whole(`${LOGIN}NOOP`, "331 230"), // no line end: it is not obeyed
  whole(`${LOGIN}RMD x`, "331 230"),
  // Who may say what.
  ...["PWD", "LIST", "PASV", "RETR x", "STOR x", "SIZE x", "REST 1", "ABOR"]
    .map(
      (say) => whole(`${say}\r\n${QUIT}`, "530 221"),
    ),
  whole(`USER lab\r\nPWD\r\n${QUIT}`, "331 530 221"),
  whole(`PASS lab\r\n${QUIT}`, "503 221"),
  whole(`${LOGIN}PASS lab\r\n${QUIT}`, "331 230 503 221"),
  whole(`${LOGIN}USER lab\r\nPWD\r\n${QUIT}`, "331 230 331 530 221"),
  ...["", "Lab", "lab ", " lab", "lab\x7f", "anonymous"].map((password) =>
    whole(
      `USER lab\r\nPASS ${password}\r\nPWD\r\n${QUIT}`,
      `331 ${password.includes("\x7f") ? 500 : 530} 530 221`,
    )
  ),
  whole(`USER root\r\nPASS lab\r\nPWD\r\n${QUIT}`, "331 530 530 221"),
  whole(`USER\r\nUSER lab\r\nPASS\r\n${QUIT}`, "501 331 530 221"),
  whole(
    "USER lab\r\nPASS x\r\n".repeat(5),
    "331 530 331 530 331 421",
    /Too many wrong passwords/,
  ),
  whole("NOOP\r\n".repeat(30), `${"200 ".repeat(21)}421`),
  ...["anonymous", "ftp", "Anonymous"].flatMap((user) => [
    whole(
      `USER ${user}\r\nPASS a@b\r\nTYPE I\r\nSIZE notes.txt\r\n${QUIT}`,
      "331 230 200 213 221",
    ),
  ]),
  ...["STOR x", "DELE notes.txt", "MKD x", "RMD x", "RNFR notes.txt"].map(
    (say) =>
      whole(
        `USER anonymous\r\nPASS\r\n${say}\r\n${QUIT}`,
        "331 230 550 221",
      ),
  ),
  // What a server says of itself.
  lab("SYST", "215", /215 UNIX Type: L8\r\n/),
  lab("FEAT", "211", /211-Features\r\n(?: \S.*\r\n)+211 End\r\n/),
  lab("HELP", "214", / PASV .* RETR /),
  lab("HELP RETR", "214"),
  lab("STAT", "211", /You are lab/),
  lab("ABOR", "226"),
  lab("NOOP x", "200"),
  lab("ACCT x\r\nALLO 100\r\nALLO", "202 202 501"),
  // How data is sent.
  lab(
    "TYPE I\r\nTYPE A\r\nTYPE A N\r\nTYPE L 8\r\nTYPE i",
    "200 200 200 200 200",
  ),
  lab(
    "TYPE\r\nTYPE E\r\nTYPE A T\r\nTYPE L 7\r\nTYPE X",
    "501 504 504 504 504",
  ),
  lab("MODE S\r\nMODE B\r\nMODE", "200 504 501"),
  lab("STRU F\r\nSTRU R\r\nSTRU P", "200 504 504"),
  lab(
    "OPTS UTF8 ON\r\nOPTS utf8\r\nOPTS UTF8 OFF\r\nOPTS x\r\nOPTS",
    "200 200 501 501 501",
  ),
  lab(
    "OPTS MLST type;size;\r\nOPTS MLST\r\nOPTS MLST x;",
    "200 200 200",
    /MLST OPTS type;size;\r\n200 MLST OPTS\r\n200 MLST OPTS\r\n/,
  ),
  lab(
    "OPTS MLST size;\r\nMLST notes.txt",
    "200 250",
    / size=2773; \/notes\.txt\r\n/,
  ),
  lab("OPTS MLSTX", "501"),
  lab("REST 5", "504"),
  lab("TYPE I\r\nREST 5\r\nREST x\r\nREST -1\r\nREST", "200 350 501 501 501"),
  lab("TYPE I\r\nREST 5\r\nSTOR x", "200 350 504"),
  lab("TYPE I\r\nREST 5\r\nNOOP\r\nSTOR x", "200 350 200 425"),
  lab("TYPE I\r\nREST 9999\r\nPASV\r\nRETR notes.txt", "200 350 227 554"),
  // Connections for data.
  lab("PASV", "227", /\(127,0,0,1,\d+,\d+\)/),
  lab("EPSV\r\nEPSV 1\r\nEPSV 2\r\nEPSV ALL\r\nEPSV 3", "229 229 522 504 504"),
  lab("PASV x", "501"),
  lab("RETR notes.txt", "425"),
  lab("LIST\r\nNLST\r\nMLSD", "425 425 425"),
  lab("PORT 127,0,0,1,255,255", "200"),
  lab("EPRT |1|127.0.0.1|65535|", "200"),
  lab("EPRT |2|::1|65535|", "522"),
  lab("EPRT |2|::ffff:127.0.0.1|65535|\r\nLIST", "522 425"),
  lab("EPRT !1!127.0.0.1!65535!", "200"),
  ...FOREIGN.map((say) => lab(`${say}\r\nLIST`, "501 425")),
  ...MALFORMED.map((say) => lab(`${say}\r\nLIST`, "501 425")),
  lab("PORT 127,0,0,1,255,255\r\nPORT 192,0,2,1,9,9\r\nLIST", "200 501 425"),
  lab("PASV\r\nPORT 192,0,2,1,9,9\r\nLIST", "227 501 425"),
  // Files and folders.
  lab("PWD\r\nXPWD", "257 257", /257 "\/" is/),
  lab(
    "CWD /\r\nCWD .\r\nCDUP\r\nXCUP\r\nCWD x\r\nCWD notes.txt\r\nCWD",
    "250 250 250 250 550 550 501",
  ),
  lab(
    "MLST\r\nMLST notes.txt\r\nMLST x",
    "250 250 550",
    / type=file;size=2773;modify=\d{14};perm=rwdf; \/notes\.txt\r\n/,
  ),
  lab(
    "TYPE I\r\nSIZE notes.txt\r\nSIZE x\r\nSIZE /\r\nSIZE",
    "200 213 550 550 501",
  ),
  lab("SIZE notes.txt", "550"),
  lab("MDTM notes.txt\r\nMDTM x\r\nMDTM /", "213 550 550", /213 \d{14}\r\n/),
  lab("RETR x\r\nRETR\r\nRETR /", "550 501 550"),
  lab(
    'MKD o1\r\nCWD o1\r\nMKD a"b\r\nCWD a"b\r\nPWD\r\nCWD ..\r\nRMD a"b\r\nCDUP\r\nRMD o1',
    "257 250 257 250 257 250 250 250 250",
    /257 "\/o1\/a""b" is/,
  ),
  lab(
    "MKD o2\r\nMKD o2\r\nMKD o2/x/y\r\nMKD notes.txt\r\nMKD notes.txt/x\r\nMKD /\r\nRMD o2",
    "257 550 550 550 550 550 250",
  ),
  lab(
    "MKD o3\r\nMKD o3/x\r\nRMD o3\r\nDELE o3\r\nRMD o3/x\r\nRMD o3\r\nRMD o3\r\nRMD /",
    "257 257 550 550 250 250 550 550",
  ),
  lab(
    "MKD o4\r\nRNFR o4\r\nRNTO o5\r\nRNFR o4\r\nRNTO o6\r\nRMD o5",
    "257 350 250 550 503 250",
  ),
  lab(
    "RNTO x\r\nRNFR notes.txt\r\nNOOP\r\nRNTO x\r\nRNFR notes.txt\r\nRNTO notes.bin",
    "503 350 200 503 350 550",
  ),
  lab("MKD o7\r\nRNFR o7\r\nRNTO o7/x\r\nRMD o7", "257 350 550 250"),
  lab(
    `MKD o9\r\nCWD o9\r\nMKD ${"x".repeat(900)}\r\nCWD ${"x".repeat(900)}\r\n` +
      `MKD ${"x".repeat(900)}\r\nMKD y\r\nRNFR y\r\nRNTO ${
        "y".repeat(900)
      }\r\n` +
      `RNFR /o9\r\nRNTO /${"o".repeat(900)}\r\nRMD y\r\nCDUP\r\n` +
      `RMD ${"x".repeat(900)}\r\nCDUP\r\nRMD o9`,
    "257 250 257 250 550 257 350 550 350 550 250 250 250 250 250",
    /550 Name too long/,
  ),
  lab("DELE x\r\nDELE /\r\nDELE", "550 550 501"),
  lab(
    "MKD  o8 \r\nCWD  o8 \r\nPWD\r\nCDUP\r\nRMD  o8 ",
    "257 250 257 250 250",
    /257 "\/ o8 " is/,
  ),
  lab("MKD b\xc3\xb6\r\nRMD b\xc3\xb6", "257 250", /257 "\/b\xc3\xb6" is/),
  lab("MKD b\xf6\r\nMKD \x01\r\nMKD a\0b\r\nMKD a\rb", "500 500 500 500"),
  ...OUTSIDE.flatMap((name) => {
    const known = /^(\.\.|\.\.\/\.\.|\/\.\.)$/.test(name);
    const odd = name.startsWith("\xc0");
    return [
      lab(
        `CWD ${name}\r\nPWD`,
        `${odd ? 500 : known ? 250 : 550} 257`,
        /257 "\/" is/,
      ),
      lab(`PASV\r\nRETR ${name}`, `227 ${odd ? 500 : 550}`),
    ];
  }),
  // What is no command, and what is not known.
  lab("", "500"),
  lab(" NOOP\r\nNO OP\r\nNOOPS\r\nXYZ\r\n123", "500 500 500 500 500"),
  lab("constructor\r\n__proto__\r\ntoString", "500 500 500"),
  lab(
    "APPE x\r\nSTOU\r\nSITE CHMOD 777 x\r\nREIN\r\nSMNT x",
    "502 502 502 502 502",
  ),
  lab("QUIT x", "501"),
  whole("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "500"),
  whole("POST /x HTTP/1.1\r\n", "500"),
  whole(`${LOGIN}NOOP ${"x".repeat(1019)}\r\n${QUIT}`, "331 230 200 221"),
  whole(`${LOGIN}NOOP ${"x".repeat(1020)}\r\n${QUIT}`, "331 230 500"),
  whole(`${"x".repeat(3000)}`, "500"),
  whole(`${LOGIN}${"XYZ\r\n".repeat(60)}`, `331 230 ${"500 ".repeat(51)}421`),
  // Telnet's commands are taken out: IP and DM before ABOR, AYT, DO and WILL.
  whole("\xff\xf4\xff\xf2NOOP\r\nNO\xff\xf6OP\r\nQUIT\r\n", "200 200 221"),
  whole("\xff\xf4\xffNOOP\r\nQUIT\r\n", "200 221"), // DM was urgent data
  whole(
    "\xff\xfd\x01\xff\xfb\x03NOOP\r\nQUIT\r\n",
    "200 221",
    /\xff\xfc.\xff\xfe./s,
  ),
  whole("NO\xff\xfa\x01QUIT\r\n\xff\xf0OP\r\nQUIT\r\n", "200 221"),
];
