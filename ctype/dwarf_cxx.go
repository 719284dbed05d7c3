package ctype

import (
	"bytes"
)

// copiedByCode reports whether a class that the DIE at off describes has a copy or move constructor, or a destructor, that is not trivial, so that
// it is passed by the address of a copy (Itanium C++ ABI, section 3.1.1). clang says so, gcc does not: with gcc it is to be seen from what is
// declared in the class, and in those that are part of it.
func (u *unit) copiedByCode(off uint64, depth int) (bool, error) {
	key := typeKey{u, off}
	if v, ok := u.d.copied[key]; ok || depth > maxDepth {
		return v, nil
	}
	if u.d.copied == nil {
		u.d.copied = map[typeKey]bool{}
	}
	u.d.copied[key] = false // also while it is looked at
	e, err := u.die(off)
	if err != nil {
		return false, err
	}
	name, _, _ := bytes.Cut(e.name(), []byte("<"))
	copied, moves, usable := false, 0, 0
	err = e.each(func(c *die) (bool, error) {
		switch c.tag {
		case tagInheritance:
			copied = c.flag(atVirtuality)
		case tagMember:
			if c.flag(atExternal) || c.flag(atDeclaration) {
				return true, nil
			}
			copied = c.flag(atArtificial) && bytes.HasPrefix(c.name(), []byte("_vptr"))
		case tagSubprogram:
			own := c.name()
			destroys := len(own) > 1 && own[0] == '~'
			if len(name) == 0 || !destroys && (!bytes.Equal(own, name) || !c.copies(name)) || c.flag(atArtificial) {
				return true, nil
			}
			defaulted, _ := c.uint(atDefaulted)
			deleted := c.flag(atDeleted)
			if !destroys {
				moves++
				if !deleted {
					usable++
				}
			}
			copied = !deleted && defaulted != 1 // 1: in the class
			return !copied, nil
		default:
			return true, nil
		}
		if copied {
			return false, nil
		}
		v, at, err := c.classOf()
		if err == nil && v != nil {
			copied, err = v.copiedByCode(at, depth+1)
		}
		return err == nil && !copied, err
	})
	copied = copied || moves > 0 && usable == 0
	u.d.copied[key] = copied
	return copied, err
}

// copies reports whether the constructor of a class can copy or move: it takes this and a reference to the class.
func (e *die) copies(class []byte) bool {
	n, refers := 0, false
	err := e.each(func(c *die) (bool, error) {
		if c.tag != tagFormalParameter {
			return true, nil
		}
		if n++; n != 2 {
			return n < 2, nil
		}
		t, err := c.follow(atType)
		if err != nil || t == nil || t.tag != tagReferenceType && t.tag != tagRvalueRefType {
			return false, err
		}
		u, off, err := t.classOf()
		if err != nil || u == nil {
			return false, err
		}
		if t, err = u.die(off); err == nil {
			own, _, _ := bytes.Cut(t.name(), []byte("<"))
			refers = bytes.Equal(own, class)
		}
		return true, err
	})
	return err == nil && refers && n == 2
}

// classOf returns the place of the class that the type of e is, or that it is an array of; nil if it is none.
func (e *die) classOf() (*unit, uint64, error) {
	for range maxDepth {
		name := uint32(atType)
		if e.get(atSignature) != nil {
			name = atSignature
		}
		t, err := e.follow(name)
		if err != nil || t == nil {
			return nil, 0, err
		}
		switch t.tag {
		case tagTypedef, tagConstType, tagVolatileType, tagArrayType, tagTemplateAlias:
			e = t
		case tagStructureType, tagClassType, tagUnionType:
			if t.get(atSignature) == nil {
				return t.u, t.off, nil
			}
			e = t
		default:
			return nil, 0, nil
		}
	}
	return nil, 0, nil
}

// isHidden reports whether a parameter that a constructor or destructor has in C++ is one of those that gcc adds to what is common to all
// its kinds, and that this kind does not have: only those of bases take a table of virtual tables, and none takes what kind it is.
func (e *die) isHidden(p *die) bool {
	if name := string(p.name()); !p.flag(atArtificial) || name != "__in_chrg" && name != "__vtt_parm" {
		return false
	}
	has := false
	err := e.each(func(c *die) (bool, error) {
		if a := c.get(atAbstractOrigin); a != nil && c.tag == tagFormalParameter {
			_, off, err := c.u.ref(c.off, a)
			has = err == nil && off == p.off
		}
		return !has, nil
	})
	return err != nil || !has
}
