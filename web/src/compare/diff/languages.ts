/** What the highlighter knows; loaded with the first diff. */
import { common, createLowlight } from "lowlight";

export const lowlight = createLowlight(common);
