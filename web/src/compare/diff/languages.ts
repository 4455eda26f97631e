/** Languages of the highlighter, loaded with the first diff. */
import { common, createLowlight } from "lowlight";

export const lowlight = createLowlight(common);
