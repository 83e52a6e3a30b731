package policy

// IsPublic reports whether the policy gives access to the public.
func (p *Policy) IsPublic() bool {
	return p.compiled == nil || len(p.compiled.public) > 0
}

func isPublic(s *Statement, r *rule) bool {
	return !r.deny
}
