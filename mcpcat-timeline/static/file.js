// Events of a session that an exported file holds.

/** Answers what `serverSource` answers, from what is there. */
export function fileSource(rows, textOf) {
  const held = new Map(rows.map((row) => [row.seq, row]));
  return {
    rows: async () => held,
    put() {},
    whole: async (number) => held.get(number) ?? null,
    async matches(text) {
      const needle = text.toLowerCase();
      return new Set(rows.filter((row) => textOf(row.event).toLowerCase().includes(needle)).map((row) => row.seq));
    },
  };
}
