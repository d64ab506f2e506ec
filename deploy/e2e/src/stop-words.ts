/**
 * English words of four letters or more that say nothing of anybody: the function words of the stop list that the Snowball
 * project publishes for its English stemmer. A document shares them with every text, and so are they not looked for.
 */
export const englishStopWords: ReadonlySet<string> = new Set(
  [
    'about above after again against another been before being below between both cannot could does doing down during each',
    'from further have having here hers herself himself into itself more most myself once only other ought ours ourselves',
    'over same shall should some such than that their theirs them themselves then there these they this those through under',
    'until very were what when where which while whom will with would your yours yourself yourselves',
    // Words that SQL is made of, and the queue's word for what it announces: the database says them unasked.
    'case check date exists false index interval join left limit null order right select table text time true type update values',
    'events',
  ].flatMap((line) => line.split(' ')),
);
