/** Invented people and devices: texts for where no real PDFs are at hand. One string is one page. */
export const syntheticNotes: readonly { readonly name: string; readonly title: string; readonly pages: string[] }[] = [
  {
    name: 'visit-mira-holt.pdf',
    title: 'Visit note: Mira Holt',
    pages: [
      `Chief complaint: follow-up of high blood pressure.

History: Mira Holt is a 58-year-old woman who measures her blood pressure at home. The values of the last month lie between 128/78 and 141/86. She has no headache and no chest pain. She walks for thirty minutes on most days and has cut down on salt.

Medicines: Mira Holt takes lisinopril 20 mg once a day in the morning. Amlodipine was stopped in spring because of swollen ankles.`,
      `Examination: blood pressure 134/82, pulse 68 and regular. Heart and lungs are normal. There is no swelling of the legs.

Assessment: blood pressure is near the goal under lisinopril.

Plan: go on with lisinopril at the same dose. Potassium and creatinine are measured in six weeks. The next visit is in three months.`,
    ],
  },
  {
    name: 'discharge-tomas-berg.pdf',
    title: 'Discharge letter: Tomas Berg',
    pages: [
      `Tomas Berg, 44 years old, was treated for a torn meniscus of the left knee by arthroscopy. The operation went without complications.

Wound care: the dressing of the left knee is changed every second day, and at once when it is wet. The stitches are removed on the twelfth day.`,
      `Movement: full weight may be put on the leg from the third day, with crutches for the first week. Cycling is allowed after four weeks, football after four months.

Pain: ibuprofen 400 mg up to three times a day with meals, for at most seven days. Call the ward for fever above 38.5 degrees or a hot, swollen knee.`,
    ],
  },
  {
    name: 'infusion-pump-guide.pdf',
    title: 'Infusion pump: ward guide',
    pages: [
      `The pump shows three kinds of alarm. A yellow light is a reminder, a red light stops the infusion.

Occlusion alarm: look for a closed clamp or a kinked line. To reset the occlusion alarm, release the clamp and press RESET twice. The infusion goes on at the rate that was set.`,
      `Battery: a full battery lasts for six hours at 25 ml per hour. Connect the pump to the mains whenever the patient is in bed.

Cleaning: wipe the housing with a damp cloth. Alcohol above 70 percent makes the display cloudy.`,
    ],
  },
];
