//! Runs the operations of a pickle.

use std::io::BufRead;

use super::input::{array, length, line, number, skip, skip_counted};
use super::{Machine, ScanError, Value};

impl Machine {
    pub(super) fn step(
        &mut self,
        operation: u8,
        input: &mut impl BufRead,
    ) -> Result<(), ScanError> {
        match operation {
            b'(' => self.push(Value::Mark),
            b'0' => drop(self.stack.pop()),
            b'1' => drop(self.since_mark()?),
            b'2' => self.push(*self.stack.last().ok_or(ScanError::Inconsistent)?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::True),
            0x89 => self.push(Value::False),
            b'I' => {
                let value = match line(input)?.as_str() {
                    "01" => Value::True,
                    "00" => Value::False,
                    _ => Value::Other,
                };
                self.push(value);
            }
            b'L' | b'F' => self.other(line(input).map(drop))?,
            b'K' => {
                let [byte] = array(input)?;
                self.push(Value::Int(byte.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(array(input)?);
                self.push(Value::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(array(input)?);
                self.push(Value::Int(value.into()));
            }
            b'G' => {
                let value = f64::from_be_bytes(array(input)?);
                self.push(Value::Float(value));
            }
            0x83 => self.other(skip(input, 2))?,
            0x84 => self.other(skip(input, 4))?,
            0x82 => self.other(skip(input, 1))?,
            0x80 => skip(input, 1)?,
            0x95 => skip(input, 8)?,
            b'C' | 0x8a => self.other(skip_counted::<1>(input))?,
            b'B' | 0x8b => self.other(skip_counted::<4>(input))?,
            0x8e | 0x96 => self.other(skip_counted::<8>(input))?,
            b'V' | b'S' => {
                let text = line(input)?;
                self.push_text(text);
            }
            0x8c | b'U' => self.text::<1>(input)?,
            b'X' | b'T' => self.text::<4>(input)?,
            0x8d => self.text::<8>(input)?,
            b'p' => {
                let place = number(&line(input)?).ok_or(ScanError::Inconsistent)?;
                self.put(place)?;
            }
            b'q' => {
                let place = length::<1>(input)?;
                self.put(place)?;
            }
            b'r' => {
                let place = length::<4>(input)?;
                self.put(place)?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            b'g' => {
                let place = number(&line(input)?).ok_or(ScanError::Inconsistent)?;
                self.get(place)?;
            }
            b'h' => {
                let place = length::<1>(input)?;
                self.get(place)?;
            }
            b'j' => {
                let place = length::<4>(input)?;
                self.get(place)?;
            }
            b'c' => {
                let module = line(input)?;
                let name = line(input)?;
                self.global(&module, &name)?;
            }
            0x93 => self.stack_global()?,
            b')' => self.push_tuple(Vec::new()),
            b't' => {
                let items = self.since_mark()?;
                self.push_tuple(items);
            }
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let at = self.stack.len().checked_sub(count);
                let items = self.stack.split_off(at.ok_or(ScanError::Inconsistent)?);
                self.push_tuple(items);
            }
            b']' | 0x8f | 0x97 => self.push(Value::Other),
            b'l' | 0x91 => {
                self.since_mark()?;
                self.push(Value::Other);
            }
            b'}' => self.push_dict(Vec::new()),
            b'd' => {
                let items = self.since_mark()?;
                self.push_dict(items.as_chunks().0.to_vec());
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[[key, value]]);
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set_items(items.as_chunks().0);
            }
            b'a' => drop(self.pop()?),
            b'e' | 0x90 => drop(self.since_mark()?),
            0x98 => {}
            b'P' => self.other(line(input).map(drop))?,
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?;
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                self.call(callable, arguments)?;
            }
            0x92 => {
                self.pop()?;
                self.pop()?;
                self.pop()?;
                self.push(Value::Other);
            }
            b'b' => drop(self.pop()?),
            unknown => return Err(ScanError::UnknownOperation(unknown)),
        }
        Ok(())
    }
}
