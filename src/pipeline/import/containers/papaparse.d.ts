/**
 * The part of papaparse that is used: its parser without the streams around it. The package's own types name
 * those of Node, which the pure core must not see (tsconfig.pure.json points here).
 */
declare const Papa: {
  readonly Parser: new (config: {
    delimiter: string;
    newline: '\n' | '\r\n' | '\r';
  }) => {
    /** @param ignoreLastRow leaves a row that may go on alone; meta.cursor is where it begins */
    parse(
      input: string,
      baseIndex: number,
      ignoreLastRow: boolean,
    ): { data: string[][]; errors: { code: string; row?: number }[]; meta: { cursor: number } };
  };
  parse(
    input: string,
    config: { delimitersToGuess: string[]; newline: '\n' | '\r\n' | '\r'; preview: number },
  ): { meta: { delimiter: string } };
};
export default Papa;
