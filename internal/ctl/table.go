package ctl

import "strings"

// cell is a text in a table, clean or not, with its style.
type cell struct {
	text  string
	style style
}

func plain(text string) cell { return cell{text: text} }

// table aligns rows of cells. Columns are as wide as their widest cell; on a
// terminal those named in flex give way, the first ones first, until a line fits.
type table struct {
	head  []string
	right []bool // columns of numbers
	flex  []int
	// indent stands before each line; two blanks if empty.
	indent string
	rows   [][]cell
}

// numbers aligns columns to the right.
func (t *table) numbers(columns ...int) *table {
	t.right = make([]bool, len(t.head))
	for _, c := range columns {
		t.right[c] = true
	}
	return t
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// minFlex is what a column that gives way keeps.
const minFlex = 12

// print writes the table, with a rule below the heading if it has one.
func (t *table) print(s *screen) {
	indent := t.indent
	if indent == "" {
		indent = "  "
	}
	widths := make([]int, len(t.head))
	for i, h := range t.head {
		widths[i] = width(h)
	}
	for _, row := range t.rows {
		for i := range row {
			row[i].text = clean(row[i].text)
			widths[i] = max(widths[i], width(row[i].text))
		}
	}
	if s.width > 0 {
		over := len(indent)
		for i, w := range widths {
			over += w
			if i > 0 {
				over++
			}
		}
		over -= s.width
		for _, c := range t.flex {
			if over <= 0 {
				break
			}
			give := min(over, widths[c]-min(widths[c], max(minFlex, width(t.head[c]))))
			widths[c] -= give
			over -= give
		}
	}
	var head, rule []string
	for i, h := range t.head {
		head = append(head, t.place(h, i, widths))
		rule = append(rule, strings.Repeat("─", widths[i]))
	}
	if strings.Join(t.head, "") != "" {
		s.printf("%s%s\n", indent, s.paint(styleBold, strings.TrimRight(strings.Join(head, " "), " ")))
		s.printf("%s%s\n", indent, s.paint(styleDim, strings.Join(rule, " ")))
	}
	for _, row := range t.rows {
		var b strings.Builder
		for i, c := range row {
			text := t.place(truncate(c.text, widths[i]), i, widths)
			if i == len(row)-1 {
				text = strings.TrimRight(text, " ")
			}
			if i > 0 {
				b.WriteByte(' ')
			}
			// Blanks stay outside the style, so that a background ends with
			// the word.
			word := strings.TrimRight(text, " ")
			b.WriteString(s.paint(c.style, word) + text[len(word):])
		}
		s.printf("%s%s\n", indent, strings.TrimRight(b.String(), " "))
	}
}

func (t *table) place(text string, column int, widths []int) string {
	if column < len(t.right) && t.right[column] {
		return strings.Repeat(" ", max(0, widths[column]-width(text))) + text
	}
	return pad(text, widths[column])
}
