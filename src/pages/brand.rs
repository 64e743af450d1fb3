//! In which colours? One is named; how it is read on light and on dark ground follows from it.

use crate::config::Color;

/// What text stands on, where it is hardest to read: the darker ground in light, the lighter in dark.
const LIGHT: Color = Color([0xff, 0xff, 0xff]);
const LIGHT_GROUND: Color = Color([0xf6, 0xf6, 0xf4]);
const DARK_CARD: Color = Color([0x1f, 0x22, 0x26]);

/// What stands on the accent in dark.
const DARK_INK: Color = Color([0x10, 0x15, 0x1c]);

/// What text and its ground must differ by (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;

/// The lines of the style sheet that put this colour in the place of ours: as near to it as can be
/// read.
pub(super) fn style(accent: Color) -> String {
    let on_light = toward(accent, Color([0; 3]), LIGHT_GROUND);
    let on_dark = toward(accent, LIGHT, DARK_CARD);
    format!(
        ":root {{ --accent: {}; --accent-ink: {} }}\n\
         @media (prefers-color-scheme: dark) {{\n  \
         :root {{ --accent: {}; --accent-ink: {} }}\n}}\n",
        written(on_light),
        written(LIGHT),
        written(on_dark),
        written(DARK_INK),
    )
}

/// The colour, mixed with as much of another as it needs to be readable on this ground.
fn toward(color: Color, other: Color, ground: Color) -> Color {
    let mixed = (0..=20_u8).map(|parts| mix(color, other, parts));
    let mut readable = mixed.filter(|mixed| contrast(*mixed, ground) >= READABLE);
    readable.next().unwrap_or(other)
}

/// So many twentieths of the other colour.
fn mix(color: Color, other: Color, parts: u8) -> Color {
    let mut mixed = color.0;
    for (own, other) in mixed.iter_mut().zip(other.0) {
        let (whole, parts) = (20, u16::from(parts));
        let sum = u16::from(*own) * (whole - parts) + u16::from(other) * parts;
        *own = u8::try_from(sum / whole).unwrap_or(u8::MAX);
    }
    Color(mixed)
}

/// By how much two colours differ for the eye: 1 to 21 (WCAG 2.2, "contrast ratio").
fn contrast(one: Color, other: Color) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(Color([red, green, blue]): Color) -> f64 {
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

fn written(Color([red, green, blue]): Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        let (black, white) = (Color([0; 3]), LIGHT);
        assert!((contrast(black, white) - 21.0).abs() < 0.001);
        assert!((contrast(white, white) - 1.0).abs() < 0.001);
        assert!((contrast(Color([0x77; 3]), white) - 4.478).abs() < 0.001);
    }

    #[test]
    fn every_colour_can_be_read_in_light_and_in_dark() {
        for accent in [
            [0, 0, 0],
            [255, 255, 255],
            [255, 255, 0],
            [31, 95, 191],
            [0, 255, 0],
        ] {
            let accent = Color(accent);
            let on_light = toward(accent, Color([0; 3]), LIGHT_GROUND);
            let on_dark = toward(accent, LIGHT, DARK_CARD);
            assert!(contrast(on_light, LIGHT_GROUND) >= READABLE);
            assert!(contrast(on_light, LIGHT) >= READABLE);
            assert!(contrast(on_dark, DARK_CARD) >= READABLE);
            assert!(contrast(on_dark, DARK_INK) >= READABLE);
        }
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let sheet = style(Color([0x7a, 0x1f, 0xa2]));
        assert!(
            sheet.starts_with(":root { --accent: #7a1fa2; --accent-ink: #ffffff }"),
            "{sheet}"
        );
        assert!(
            !sheet.contains("dark) {\n  :root { --accent: #7a1fa2"),
            "{sheet}"
        );
    }

    #[test]
    fn our_own_style_sheet_has_the_grounds_that_are_reckoned_with() {
        let sheet = include_str!("style.css");
        for color in [LIGHT_GROUND, DARK_CARD, DARK_INK] {
            assert!(sheet.contains(&written(color)), "{color:?}");
        }
    }
}
