package unwind

import "weld/image/elf"

// rule says where a register of the caller is.
type rule struct {
	kind ruleKind
	n    int64  // offset, or register
	expr reader // of the expressions
}

type ruleKind uint8

const (
	sameValue ruleKind = iota // what a psABI caller may rely on; for others it does not matter
	undefined
	offset     // saved at the CFA plus n
	valOffset  // the CFA plus n itself
	register   // in register n
	expression // saved where the expression says
	valExpression
)

// row are the rules at one place of a function. The CFA is register cfaReg plus cfaOff, or what cfaExpr says.
type row struct {
	cfaReg  uint64
	cfaOff  int64
	cfaExpr reader
	byExpr  bool
	regs    [nreg]rule
}

// machine runs call frame instructions (DWARF 5, section 6.4.2).
type machine struct {
	f       *elf.File
	cie     cie
	row     row
	initial row
	saved   []row
}

// Call frame instructions (DWARF 5, table 7.29; LSB for the last).
const (
	cfaAdvanceLoc       = 0x40
	cfaOffset           = 0x80
	cfaRestore          = 0xc0
	cfaNop              = 0x00
	cfaSetLoc           = 0x01
	cfaAdvanceLoc1      = 0x02
	cfaAdvanceLoc2      = 0x03
	cfaAdvanceLoc4      = 0x04
	cfaOffsetExtended   = 0x05
	cfaRestoreExtended  = 0x06
	cfaUndefined        = 0x07
	cfaSameValue        = 0x08
	cfaRegister         = 0x09
	cfaRememberState    = 0x0a
	cfaRestoreState     = 0x0b
	cfaDefCFA           = 0x0c
	cfaDefCFARegister   = 0x0d
	cfaDefCFAOffset     = 0x0e
	cfaDefCFAExpression = 0x0f
	cfaExpression       = 0x10
	cfaOffsetExtendedSF = 0x11
	cfaDefCFASF         = 0x12
	cfaDefCFAOffsetSF   = 0x13
	cfaValOffset        = 0x14
	cfaValOffsetSF      = 0x15
	cfaValExpression    = 0x16
	cfaGNUArgsSize      = 0x2e
)

// run executes a program that begins at loc up to where it speaks of instructions behind pc. It returns false for one
// that makes no sense.
func (m *machine) run(r reader, loc, pc uint64) bool {
	const maxSaved = 64
	for r.more() {
		op := uint8(r.fixed(1))
		low := uint64(op & 0x3f)
		advance := uint64(0)
		switch op & 0xc0 {
		case cfaAdvanceLoc:
			advance = low * m.cie.codeAlign
		case cfaOffset:
			m.set(low, rule{kind: offset, n: int64(r.uleb()) * m.cie.dataAlign})
		case cfaRestore:
			m.restore(low)
		default:
			switch op {
			case cfaNop:
			case cfaSetLoc:
				to := r.pointer(m.cie.enc)
				if to < loc {
					return false
				}
				advance = to - loc
			case cfaAdvanceLoc1:
				advance = r.fixed(1) * m.cie.codeAlign
			case cfaAdvanceLoc2:
				advance = r.fixed(2) * m.cie.codeAlign
			case cfaAdvanceLoc4:
				advance = r.fixed(4) * m.cie.codeAlign
			case cfaOffsetExtended:
				n := r.uleb()
				m.set(n, rule{kind: offset, n: int64(r.uleb()) * m.cie.dataAlign})
			case cfaOffsetExtendedSF:
				n := r.uleb()
				m.set(n, rule{kind: offset, n: r.sleb() * m.cie.dataAlign})
			case cfaRestoreExtended:
				m.restore(r.uleb())
			case cfaUndefined:
				m.set(r.uleb(), rule{kind: undefined})
			case cfaSameValue:
				m.set(r.uleb(), rule{})
			case cfaRegister:
				n := r.uleb()
				m.set(n, rule{kind: register, n: int64(r.uleb())})
			case cfaRememberState:
				if len(m.saved) == maxSaved {
					return false
				}
				m.saved = append(m.saved, m.row)
			case cfaRestoreState:
				if len(m.saved) == 0 {
					return false
				}
				m.row = m.saved[len(m.saved)-1]
				m.saved = m.saved[:len(m.saved)-1]
			case cfaDefCFA:
				m.row.cfaReg, m.row.byExpr = r.uleb(), false
				m.row.cfaOff = int64(r.uleb())
			case cfaDefCFASF:
				m.row.cfaReg, m.row.byExpr = r.uleb(), false
				m.row.cfaOff = r.sleb() * m.cie.dataAlign
			case cfaDefCFARegister:
				m.row.cfaReg, m.row.byExpr = r.uleb(), false
			case cfaDefCFAOffset:
				m.row.cfaOff = int64(r.uleb())
			case cfaDefCFAOffsetSF:
				m.row.cfaOff = r.sleb() * m.cie.dataAlign
			case cfaDefCFAExpression:
				m.row.cfaExpr, m.row.byExpr = block(&r), true
			case cfaExpression:
				n := r.uleb()
				m.set(n, rule{kind: expression, expr: block(&r)})
			case cfaValExpression:
				n := r.uleb()
				m.set(n, rule{kind: valExpression, expr: block(&r)})
			case cfaValOffset:
				n := r.uleb()
				m.set(n, rule{kind: valOffset, n: int64(r.uleb()) * m.cie.dataAlign})
			case cfaValOffsetSF:
				n := r.uleb()
				m.set(n, rule{kind: valOffset, n: r.sleb() * m.cie.dataAlign})
			case cfaGNUArgsSize:
				r.uleb()
			default:
				return false
			}
		}
		if advance != 0 {
			if advance > pc-loc {
				return !r.bad
			}
			loc += advance
		}
	}
	return !r.bad
}

func block(r *reader) reader {
	n := r.uleb()
	at := r.at + uint64(r.off)
	return reader{b: r.take(n), at: at}
}

// set ignores registers that are not followed, such as those of vectors.
func (m *machine) set(n uint64, to rule) {
	if n < nreg {
		m.row.regs[n] = to
	}
}

func (m *machine) restore(n uint64) {
	if n < nreg {
		m.row.regs[n] = m.initial.regs[n]
	}
}

// apply makes the caller's registers of r by the rules of the row.
func (m *machine) apply(r *Regs, bias uint64, mem Memory) Result {
	ra := m.row.regs[m.cie.ra]
	if ra.kind == undefined {
		return End // the first function of a thread is described so
	}
	var cfa uint64
	if m.row.byExpr {
		v, ok := evaluate(m.row.cfaExpr, r, mem, nil)
		if !ok {
			return NoInfo
		}
		cfa = v
	} else {
		if m.row.cfaReg >= nreg {
			return NoInfo
		}
		cfa = r[m.row.cfaReg] + uint64(m.row.cfaOff)
	}
	old := *r
	for i := range m.row.regs {
		rule := &m.row.regs[i]
		var v uint64
		ok := true
		switch rule.kind {
		case sameValue, undefined:
			continue
		case offset:
			v, ok = mem(cfa + uint64(rule.n))
		case valOffset:
			v = cfa + uint64(rule.n)
		case register:
			if ok = uint64(rule.n) < nreg; ok {
				v = old[rule.n]
			}
		case expression:
			if v, ok = evaluate(rule.expr, &old, mem, &cfa); ok {
				v, ok = mem(v)
			}
		case valExpression:
			v, ok = evaluate(rule.expr, &old, mem, &cfa)
		}
		if !ok && (uint64(i) == m.cie.ra || i == RBP) {
			return NoInfo
		}
		r[i] = v
	}
	if m.row.regs[RSP].kind == sameValue {
		r[RSP] = cfa
	}
	if m.cie.ra != RIP {
		r[RIP] = r[m.cie.ra]
	}
	if m.cie.signal {
		return Interrupted
	}
	if r[RSP] <= old[RSP] || r[RIP] == 0 {
		return End // stacks grow down: a caller's frame lies above
	}
	return Called
}
